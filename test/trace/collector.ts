import { readFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import protobuf from "protobufjs";
import { waitFor } from "../support/waiting.ts";

/** A span, as the collector was sent it. Ids are hex. */
export interface SentSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first one of a trace. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  readonly kind: "SERVER" | "INTERNAL" | "CLIENT";
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly isError: boolean;
}

/** A receiver of OTLP over HTTP, which reads protobuf by the published description and not by the library that wrote it. */
export class Collector implements AsyncDisposable {
  readonly spans: SentSpan[] = [];
  /** The heads of its requests. */
  readonly requests: { readonly target: string; readonly headers: IncomingHttpHeaders }[] = [];
  /** What the resources of spans have said of themselves. */
  readonly resources: Readonly<Record<string, unknown>>[] = [];
  /** What it answers; undefined for no answer at all. */
  status: number | undefined = 200;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port = 0): Promise<Collector> {
    const server = createServer();
    const collector = new Collector(server);
    server.on("request", async (request, response) => {
      const body = await buffer(request);
      collector.requests.push({ target: request.url ?? "", headers: request.headers });
      if (collector.status === undefined) return;
      if (collector.status === 200) collector.#read(body);
      response.writeHead(collector.status, { "content-type": "application/x-protobuf" }).end();
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return collector;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resolves with all spans, once there are so many of exchanges. */
  exchanges(count: number): Promise<readonly SentSpan[]> {
    return waitFor(
      `the spans of ${count} exchanges`,
      () => this.spans.filter(({ kind }) => kind === "SERVER").length >= count && this.spans,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #read(body: Buffer): void {
    const { resourceSpans = [] } = REQUEST.toObject(REQUEST.decode(body), {
      enums: String,
      longs: String,
    }) as ExportRequest;
    for (const { resource, scopeSpans } of resourceSpans) {
      this.resources.push(valuesOf(resource.attributes));
      for (const { spans } of scopeSpans) this.spans.push(...spans.map(sentSpan));
    }
  }
}

function sentSpan(span: WireSpan): SentSpan {
  return {
    traceId: hex(span.traceId),
    spanId: hex(span.spanId),
    parentSpanId: hex(span.parentSpanId),
    traceState: span.traceState ?? "",
    name: span.name,
    kind: span.kind.replace("SPAN_KIND_", "") as SentSpan["kind"],
    startMs: Number(span.startTimeUnixNano) / 1e6,
    endMs: Number(span.endTimeUnixNano) / 1e6,
    attributes: valuesOf(span.attributes),
    isError: span.status?.code === "STATUS_CODE_ERROR",
  };
}

function hex(bytes: Uint8Array = new Uint8Array()): string {
  return Buffer.from(bytes).toString("hex");
}

function valuesOf(attributes: readonly WireAttribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]));
}

function valueOf({ stringValue, boolValue, intValue, doubleValue, arrayValue }: WireValue): unknown {
  if (arrayValue !== undefined) return (arrayValue.values ?? []).map(valueOf);
  return intValue === undefined ? (stringValue ?? boolValue ?? doubleValue) : Number(intValue);
}

interface ExportRequest {
  readonly resourceSpans?: readonly {
    readonly resource: { readonly attributes?: readonly WireAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
}

interface WireSpan {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly parentSpanId?: Uint8Array;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly WireAttribute[];
  readonly status?: { readonly code?: string };
}

interface WireAttribute {
  readonly key: string;
  readonly value: WireValue;
}

interface WireValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values?: readonly WireValue[] };
}

const REQUEST = protobuf
  .parse(readFileSync(join(import.meta.dirname, "otlp.proto"), "utf8"))
  .root.lookupType("ExportTraceServiceRequest");
