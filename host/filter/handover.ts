import type { StateHandover } from "../ops/meter.ts";
import type { Instance, Level } from "./contract.ts";
import { faultOf } from "./fault.ts";
import type { Filter } from "./filter.ts";

/** What is told of a hand-over, for log and metrics. */
export interface HandoverOwner {
  readonly meter: { handedOver(result: StateHandover): void };
  line(level: Level, message: string, attributes: readonly (readonly [name: string, value: string])[]): void;
}

/** What one version of a filter has saved, on its way to the instances of the next one, in one worker. */
export class Handover {
  readonly #from: string;
  readonly #to: string;
  readonly #owner: HandoverOwner;
  /** Undefined when no further instance is to have it. */
  #state: Uint8Array | undefined;
  #restored = false;

  private constructor(from: string, to: string, owner: HandoverOwner) {
    this.#from = from;
    this.#to = to;
    this.#owner = owner;
  }

  /** Lets an instance of the old version save for the artifact `to`. Never rejects: what cannot be saved is told to the owner. */
  static async save(
    { digest, pool }: Filter,
    to: string,
    stateBytesMax: number,
    owner: HandoverOwner,
  ): Promise<Handover> {
    const handover = new Handover(digest, to, owner);
    let why = "no instance of the old version became free in time";
    const saving = pool.visit((instance) => {
      try {
        return instance.save();
      } catch (error) {
        const { reason, detail } = faultOf(error, instance.lastWords(), instance.exhausted);
        why = `save failed (${reason}): ${detail}`;
        throw error;
      }
    });
    // Whatever it rejects with, the reason is known.
    const saved = await saving.catch(() => undefined);
    const length = typeof saved === "number" ? saved : saved?.length;
    if (saved === undefined) handover.#failed("failed", why);
    // The old version may have been loaded under another limit.
    else if (typeof saved === "number" || saved.length > stateBytesMax)
      handover.#failed("failed", `the state has ${length} bytes, more than limits.state-bytes allows`);
    else if (saved.length > 0) {
      owner.meter.handedOver("saved");
      handover.#state = saved;
    }
    return handover;
  }

  /** Gives the state to an instance that has just been configured. False: it has trapped, and is not to be used. */
  restore(instance: Instance): boolean {
    const state = this.#state;
    if (state === undefined) return true;
    try {
      const refusal = instance.restore(this.#from, state);
      if (refusal === undefined) this.#succeeded(state.length);
      else this.#failed("refused", `the new version refuses it: ${refusal}`);
      return true;
    } catch (error) {
      const { reason, detail } = faultOf(error, instance.lastWords(), instance.exhausted);
      this.#failed("failed", `restore failed (${reason}): ${detail}`);
      return false;
    }
  }

  /** Told once, and not again for each instance that is made later. */
  #succeeded(bytes: number): void {
    if (this.#restored) return;
    this.#restored = true;
    this.#owner.meter.handedOver("restored");
    this.#owner.line("info", "state handed over", [
      ["bytes", String(bytes)],
      ["from", this.#from],
      ["to", this.#to],
    ]);
  }

  /** None of the instances that are made later is offered it. */
  #failed(result: StateHandover, why: string): void {
    this.#state = undefined;
    this.#owner.meter.handedOver(result);
    this.#owner.line("warn", "state not handed over", [
      ["from", this.#from],
      ["to", this.#to],
      ["why", why.slice(0, WHY_LENGTH_MAX)],
    ]);
  }
}

/** The new version's sentence is as long as it likes; more than the longest line of a filter's own helps nobody. */
const WHY_LENGTH_MAX = 8_192;
