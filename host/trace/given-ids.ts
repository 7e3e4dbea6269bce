import { type IdGenerator, RandomIdGenerator } from "@opentelemetry/sdk-trace";

/** Gives the SDK the ids that others have been told already, and random ones to those spans that nobody has been told of. */
export class GivenIds implements IdGenerator {
  /** Of the next root. */
  traceId = "";
  /** Of the next span; each one is used once. */
  spanId: string | undefined;
  readonly #random = new RandomIdGenerator();

  generateTraceId(): string {
    return this.traceId;
  }

  generateSpanId(): string {
    const { spanId } = this;
    this.spanId = undefined;
    return spanId ?? this.#random.generateSpanId();
  }
}
