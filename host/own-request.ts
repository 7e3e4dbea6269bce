import type { Socket } from "node:net";
import type { Failure } from "./failure.ts";
import type { HttpAnswer, HttpCall, HttpError, HttpSender, OwnRequest } from "./filter/http-client.ts";
import type { Outgoing, ServerResponse } from "./http1/server-connection.ts";
import type { FieldList } from "./message.ts";
import type { Upstream, UpstreamCall, UpstreamOwner } from "./upstream.ts";

/** Sends filters' own requests to the upstreams of one generation. */
export class OwnRequests implements HttpSender {
  readonly #upstreams: ReadonlyMap<string, Upstream>;
  readonly #viaName: string;

  constructor(upstreams: ReadonlyMap<string, Upstream>, viaName: string) {
    this.#upstreams = upstreams;
    this.#viaName = viaName;
  }

  send(request: OwnRequest, bytesMax: number, done: (answer: HttpAnswer) => void): HttpCall {
    const upstream = this.#upstreams.get(request.upstream);
    if (upstream === undefined) throw new Error(`a grant names ${request.upstream}, which is no upstream`);
    const call = new OwnCall(request.body, bytesMax, done);
    call.begin(upstream.call(this.#outgoing(request), request.fields, call));
    return call;
  }

  #outgoing({ method, path, fields, body }: OwnRequest): Outgoing {
    let after = "";
    for (let at = 0; at < fields.length; at += 2) after += `${fields[at]}: ${fields[at + 1]}\r\n`;
    const hasBody = body.byteLength > 0;
    // RFC 9110 §8.6: where a method gives content a meaning, none of it is told, too.
    if (hasBody || EXPECTS_CONTENT.has(method)) after += `Content-Length: ${body.byteLength}\r\n`;
    after += `Via: 1.1 ${this.#viaName}\r\n\r\n`;
    return {
      method,
      head: "",
      around: { before: `${method} ${path} HTTP/1.1\r\n`, authority: undefined, after, line: undefined },
      hasBody,
      replayable: hasBody,
      chunked: false,
      upgrade: "",
    };
  }
}

/** One of them, with its answer as it comes in. */
class OwnCall implements UpstreamOwner, HttpCall {
  readonly #body: Uint8Array;
  readonly #bytesMax: number;
  readonly #done: (answer: HttpAnswer) => void;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #response: ServerResponse | undefined;
  #call: UpstreamCall | undefined;

  constructor(body: Uint8Array, bytesMax: number, done: (answer: HttpAnswer) => void) {
    this.#body = body;
    this.#bytesMax = bytesMax;
    this.#done = done;
  }

  begin(call: UpstreamCall): void {
    this.#call = call;
    call.begin();
  }

  cancel(): void {
    this.#call?.cancel();
    this.#call = undefined;
  }

  upstreamReady(): void {
    if (this.#body.byteLength === 0) return;
    // Whole, as it is in memory already: how fast the server reads makes no difference to anyone.
    this.#call?.write(Buffer.from(this.#body.buffer, this.#body.byteOffset, this.#body.byteLength));
    this.#call?.endBody([]);
  }

  upstreamInterim(): void {}

  upstreamResponded(response: ServerResponse): void {
    this.#response = response;
    if (response.length > this.#bytesMax) this.#fail({ tag: "too-large" });
  }

  upstreamSent(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bytesMax) this.#fail({ tag: "too-large" });
    else this.#chunks.push(Buffer.from(chunk));
  }

  upstreamEnded(_trailers: FieldList): void {
    this.#call = undefined;
    const { status, fields } = this.#response as ServerResponse;
    const body = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#done({ tag: "ok", val: { status, fields, body } });
  }

  upstreamDrained(): void {}

  /** Nothing was offered, so that a server which switches has been refused before. */
  upstreamUpgraded(_fields: FieldList, socket: Socket): void {
    socket.destroy();
    this.#fail({ tag: "other", val: "UPSTREAM_MALFORMED" });
  }

  upstreamFailed(failure: Failure): void {
    this.#call = undefined;
    this.#fail(errorOf(failure));
  }

  #fail(error: HttpError): void {
    this.cancel();
    this.#done({ tag: "err", val: error });
  }
}

/** What a filter is told: a case, or this host's code, and never a server's words. */
function errorOf({ code }: Failure): HttpError {
  if (code === "UPSTREAM_UNREACHABLE" || code === "UPSTREAM_TLS_FAILED") return { tag: "unreachable" };
  if (code.endsWith("TIMED_OUT")) return { tag: "timed-out" };
  if (code === "UPSTREAM_BUSY") return { tag: "busy" };
  return { tag: "other", val: code };
}

const EXPECTS_CONTENT: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);
