import { setImmediate as nextTurn } from "node:timers/promises";
import type { Instance } from "../filter/contract.ts";
import { type Fault, faultOf, type FilterFailure } from "../filter/fault.ts";
import type { Filter } from "../filter/filter.ts";
import type { ShadowMeter, TrialMeter } from "../ops/trial-meter.ts";
import { compared, type Difference } from "./comparison.ts";
import { recordedFlows } from "./flow.ts";
import type { ExchangeRecord } from "./record.ts";
import { Rehearsal } from "./rehearsal.ts";
import type { DifferenceKind } from "./trial.ts";

/** A candidate in the shadow: called with copies of exchanges, and compared with what the present version made of them. */
export class ShadowTrial {
  readonly filter: Filter;
  /** All that it was made of, to be told from another one. */
  readonly made: string;
  readonly #meter: TrialMeter;
  readonly #failed: (filter: Filter, requestId: string, failure: FilterFailure) => void;

  constructor(
    filter: Filter,
    made: string,
    meter: TrialMeter,
    failed: (filter: Filter, requestId: string, failure: FilterFailure) => void,
  ) {
    this.filter = filter;
    this.made = made;
    this.#meter = meter;
    this.#failed = failed;
  }

  /** Never rejects: what the candidate does is counted. */
  async see(record: ExchangeRecord): Promise<void> {
    const { candidate } = this.#meter;
    candidate.exchanges += 1;
    const { requestId } = record.facts;
    let instance: Instance | undefined;
    let rehearsal: Rehearsal | undefined;
    let fault: Fault | undefined;
    try {
      instance = await this.#instance();
      rehearsal = new Rehearsal(this.filter, instance, record);
      await rehearsal.run();
      this.filter.pool.give(instance);
    } catch (error) {
      fault = faultOf(error, instance?.lastWords() ?? "", instance?.exhausted);
      if (instance !== undefined) this.filter.pool.discard(instance);
      this.filter.meter.failed(fault.reason);
      candidate.failures += 1;
      this.#failed(this.filter, requestId, fault);
    }
    candidate.ms += rehearsal?.ms ?? 0;
    if (rehearsal !== undefined) this.#compare(record, rehearsal, fault);
  }

  close(): void {
    void this.filter.pool.close();
  }

  /** There is one exchange at a time, so that there is one as soon as the event loop has turned. */
  async #instance(): Promise<Instance> {
    for (;;) {
      const instance = this.filter.pool.take();
      if (instance !== undefined) return instance;
      await nextTurn();
    }
  }

  #compare(record: ExchangeRecord, rehearsal: Rehearsal, fault: Fault | undefined): void {
    const shadow = this.#meter.shadow as ShadowMeter;
    const flows = recordedFlows(record);
    if (flows.size === 0) return;
    shadow.compared += 1;
    if (record.cut) shadow.partly += 1;
    if (fault !== undefined && rehearsal.present !== undefined)
      rehearsal.present.flow.end = { kind: "failed", reason: fault.reason };
    const found: (Difference & { phase: string })[] = [];
    for (const [number, message] of rehearsal.messages) {
      const flow = flows.get(number);
      if (flow === undefined) continue;
      const phase = message.inward ? "request" : "response";
      const differences = compared(flow, message.flow);
      if (message.unfed && !differences.some(isOf("decision"))) differences.push(UNFED);
      for (const difference of differences) found.push({ ...difference, phase });
    }
    if (fault !== undefined && rehearsal.present === undefined && !hasFailed(record))
      found.push({ kind: "failure", detail: `the candidate failed (${fault.reason})`, phase: "end" });
    if (found.length > 0) shadow.different += 1;
    const { requestId } = record.facts;
    for (const difference of found) shadow.differs({ at: record.at, requestId, ...difference });
  }
}

function hasFailed({ endFailed, steps }: ExchangeRecord): boolean {
  return endFailed !== null || steps.some(({ made }) => made?.kind === "failed");
}

function isOf(kind: DifferenceKind): (difference: Difference) => boolean {
  return (difference) => difference.kind === kind;
}

const UNFED: Difference = {
  kind: "decision",
  detail:
    "the candidate takes the body, which the present version does not, so that there is none to give it",
};
