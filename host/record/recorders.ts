import { createHash } from "node:crypto";
import type { TellsClient } from "../client-address.ts";
import type { CapsuleConfig, FilterConfig } from "../config/config.ts";
import type { Filter } from "../filter/filter.ts";
import { Secrets } from "../filter/secrets.ts";
import type { Generation, Route } from "../generation.ts";
import type { Taken } from "../trial/route-trial.ts";
import { type CapsuleMessage, CapsuleTaker } from "./capsule-taker.ts";
import type { NotedInputs } from "./noted-inputs.ts";
import { Recordable, type Recorded } from "./recordable.ts";

/** How the filters of a worker are recorded, and what of them is kept beyond a generation. */
export class Recorders {
  readonly #post: (message: CapsuleMessage) => void;
  readonly #recordables = new WeakMap<Generation, Recordable>();
  /** What is noted of clocks and randomness, where something is. */
  readonly #inputs = new WeakMap<Filter, NotedInputs>();
  /** Of filters whose failures are kept: one for each, or every generation would begin to count anew. */
  readonly #capsules = new WeakMap<Filter, CapsuleTaker>();

  constructor(post: (message: CapsuleMessage) => void) {
    this.#post = post;
  }

  /** A filter has these for its clocks and its randomness. */
  notes(filter: Filter, inputs: NotedInputs): void {
    this.#inputs.set(filter, inputs);
  }

  recorded(
    filter: Filter,
    { config }: FilterConfig,
    secrets: Readonly<Record<string, Uint8Array>>,
    tellsClient: TellsClient,
  ): Recorded {
    const own = new Secrets(secrets);
    const tapped = {
      filter,
      configDigest: createHash("sha256").update(JSON.stringify(config)).digest("hex"),
      tellsClient,
      inputs: this.#inputs.get(filter),
    };
    return { tapped, clean: (text) => own.redacted(text) };
  }

  /** Who keeps the filter's failures; nobody where there is no place for them. */
  capsules(recorded: Recorded, config: CapsuleConfig | null): Taken[] {
    if (!config) return [];
    const { tapped } = recorded;
    const taker = this.#capsules.get(tapped.filter) ?? new CapsuleTaker(recorded, config, this.#post);
    this.#capsules.set(tapped.filter, taker);
    return [{ tapped, taker }];
  }

  keep(
    generation: Generation,
    routes: readonly { readonly route: Route }[],
    filters: ReadonlyMap<string, Recorded>,
  ): void {
    const all = routes.map(({ route }) => route);
    this.#recordables.set(generation, new Recordable(all, filters));
  }

  /** What can be recorded of the exchanges of a generation. */
  recordable(generation: Generation): Recordable {
    return this.#recordables.get(generation) as Recordable;
  }
}
