import type { FilterFailureReason } from "../ops/meter.ts";
import type { FieldList } from "../message.ts";
import type {
  ExchangeRecord,
  RecordedDecision,
  RecordedHead,
  RecordedReply,
  RecordedStep,
} from "./record.ts";

/** How a message ended at a filter, when it did not go on. */
export type FlowEnd =
  | RecordedReply
  | { readonly kind: "reset" }
  | { readonly kind: "failed"; readonly reason: FilterFailureReason }
  /** The filter takes no bodies of that length. */
  | { readonly kind: "too-large"; readonly bytesMax: number };

/**
 * What one message became at a filter, decision by decision: what left it, or how it ended there. The same for the version
 * that was recorded and for the one that is called with what was recorded, whatever phases either of them has.
 */
export class Flow {
  head: RecordedHead;
  /** The head cannot change any more. */
  settled = false;
  /** The body is over. */
  complete = false;
  trailers: FieldList | undefined;
  end: FlowEnd | undefined;
  #left: Uint8Array[] = [];
  #held: Uint8Array[] = [];

  constructor(head: RecordedHead) {
    this.head = head;
  }

  /** Everything of the body that has left. */
  get body(): Buffer {
    return Buffer.concat(this.#left);
  }

  /** `null` where nothing was decided: the message goes on as it came. */
  decidedHead(decision: RecordedDecision | null): void {
    if (decision === null || this.#ends(decision)) return;
    if (decision.kind === "proceed" && decision.edited !== null) this.head = decision.edited as RecordedHead;
  }

  decidedChunk(bytes: Uint8Array, last: boolean, decision: RecordedDecision | null): void {
    if (decision !== null && this.#ends(decision)) return;
    if (decision?.kind === "replace") {
      this.#held = [];
      this.#left.push(decision.bytes);
    } else {
      this.#held.push(bytes);
      if (decision?.kind !== "hold" || last) this.#left.push(...this.#held.splice(0));
    }
    if (last) this.complete = true;
  }

  decidedBody(bytes: Uint8Array, decision: RecordedDecision | null): void {
    if (decision !== null && this.#ends(decision)) return;
    if (decision?.kind === "replace" || decision?.kind === "proceed") {
      if (decision.edited !== null) this.head = decision.edited as RecordedHead;
    }
    this.#left.push(decision?.kind === "replace" ? decision.bytes : bytes);
    this.settled = true;
    this.complete = true;
  }

  decidedTrailers(fields: FieldList, decision: RecordedDecision | null): void {
    if (decision !== null && this.#ends(decision)) return;
    const edited = decision?.kind === "proceed" ? decision.edited : null;
    this.trailers = edited === null ? fields : (edited as FieldList);
  }

  #ends(decision: RecordedDecision): boolean {
    if (decision.kind !== "reply" && decision.kind !== "reset" && decision.kind !== "failed") return false;
    this.end = decision;
    return true;
  }
}

/** What the recorded version made of each message, as far as that is known. */
export function recordedFlows(record: ExchangeRecord): Map<number, Flow> {
  const flows = new Map<number, Flow>();
  for (const step of record.steps) {
    if (isUnknown(record, step)) flows.delete(step.message);
    else if (step.kind === "head") flows.set(step.message, headFlow(record, step));
    else decided(flows.get(step.message), step);
  }
  return flows;
}

function headFlow({ plan }: ExchangeRecord, { message, head, made }: RecordedStep & { kind: "head" }): Flow {
  const flow = new Flow(head);
  flow.decidedHead(made);
  const mode = message === 0 ? plan.requestBody : plan.responseBody;
  flow.settled = mode.kind !== "buffered";
  return flow;
}

function decided(flow: Flow | undefined, step: RecordedStep): void {
  if (step.kind === "chunk") flow?.decidedChunk(step.bytes, step.last, step.made);
  else if (step.kind === "body") flow?.decidedBody(step.bytes, step.made);
  else if (step.kind === "trailers") flow?.decidedTrailers(step.fields, step.made);
}

/** Whether it was called and there is no telling what came of it: the exchange ended first, or it was too long to be copied. */
function isUnknown({ plan }: ExchangeRecord, { kind, message, made }: RecordedStep): boolean {
  if (made !== null)
    return made.kind === "failed" && (made.reason === "busy" || made.reason === "quarantined");
  return kind !== "head" || (message === 0 ? plan.request : plan.response);
}
