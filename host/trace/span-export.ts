import { randomUUID } from "node:crypto";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import { AlwaysOnSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import type { TracesConfig } from "../config/config.ts";
import type { TraceHeaders } from "../config/trace-headers.ts";
import { VERSION } from "../control/version.ts";
import { GivenIds } from "./given-ids.ts";
import { SpanMaker } from "./span-maker.ts";
import { SpanQueue, type SpanQueueOwner } from "./span-queue.ts";
import type { TracedExchange } from "./traced-exchange.ts";

/**
 * The way from exchanges to a collector. With this file, which is loaded only where spans go somewhere, OpenTelemetry's SDK is loaded.
 * Nothing is registered with its API: a process that has a host in it may have a tracing of its own.
 */
export class SpanExport {
  readonly #queue: SpanQueue;
  readonly #maker: SpanMaker;

  constructor({ otlp, serviceName, batch }: TracesConfig, headers: TraceHeaders, owner: SpanQueueOwner) {
    const exporter = new OTLPTraceExporter({
      url: otlp,
      headers: { ...headers },
      timeoutMillis: batch.exportMs,
      userAgent: `sluice/${VERSION}`,
    });
    this.#queue = new SpanQueue(exporter, batch, owner);
    const ids = new GivenIds();
    const provider = new TracerProvider({
      resource: defaultResource().merge(
        resourceFromAttributes({
          "service.name": serviceName,
          "service.version": VERSION,
          "service.instance.id": INSTANCE,
        }),
      ),
      // What is not sampled does not come here.
      sampler: new AlwaysOnSampler(),
      spanLimits: { attributeValueLengthLimit: TEXT_LENGTH_MAX },
      spanProcessors: [this.#queue],
      idGenerator: ids,
    });
    this.#maker = new SpanMaker(provider.getTracer("sluice", VERSION, { schemaUrl: CONVENTIONS }), ids);
  }

  take(exchanges: readonly TracedExchange[]): void {
    // A trace with holes misleads more than one that is missing.
    for (const exchange of exchanges)
      if (this.#queue.admits(1 + exchange.steps.length)) this.#maker.make(exchange);
  }

  /** Sends what waits, for so long; what is left then is dropped. */
  close(mostMs: number): Promise<void> {
    return this.#queue.close(mostMs);
  }
}

/** Of this process, for as long as it lives. */
const INSTANCE = randomUUID();

/** Which names the attributes have. */
const CONVENTIONS = "https://opentelemetry.io/schemas/1.44.0";

/** As in a line of the log. */
const TEXT_LENGTH_MAX = 2_048;
