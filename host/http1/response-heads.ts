import type { FieldList } from "../message.ts";
import type { BodyDecoder } from "./body-decoder.ts";
import { listed } from "./field-rules.ts";
import { BROKEN, HeadCollector, INCOMPLETE as MORE, TOO_LONG } from "./head-collector.ts";
import type { HeadParser } from "./head-parser.ts";

export interface HeadLimits {
  readonly headBytesMax: number;
  /** Interim responses before the final one. */
  readonly interimMax: number;
}

/** What of a request decides how its response is read. */
export interface Asked {
  readonly method: string;
  /** The protocols that were offered instead of this one; empty without an offer. */
  readonly upgrade: string;
}

export interface HeadSink {
  /** 1xx, but 101. Gives whether anybody waits for more. */
  interim(status: number, fields: FieldList): boolean;
}

/** What `read` gives instead of a place in the data. */
export const INCOMPLETE = -1;
/** `error` says why. */
export const MALFORMED = -2;
/** 101: the parser has the head, and `rest` what came behind it. */
export const SWITCHED = -3;

/** Reads the heads of the responses on one connection: interim ones, then the final one, which says how its body is read. */
export class ResponseHeads {
  error = "";
  rest: Buffer | undefined;
  /** Of the final head's body: 0 without one, -1 when only its end will tell. */
  length = 0;
  /** Whether another request may follow on the connection. */
  keepAlive = true;
  readonly #parser: HeadParser;
  readonly #decoder: BodyDecoder;
  readonly #collector: HeadCollector;
  readonly #interimMax: number;
  #interims = 0;

  /** `decoder` is told how long the body is. */
  constructor(parser: HeadParser, decoder: BodyDecoder, { headBytesMax, interimMax }: HeadLimits) {
    this.#parser = parser;
    this.#decoder = decoder;
    this.#collector = new HeadCollector(headBytesMax, "HTTP/1.");
    this.#interimMax = interimMax;
  }

  /** A request is on its way. */
  begin(): void {
    this.#interims = 0;
  }

  /** After a final head: what was collected, and from `read`'s place on the body. */
  take(): Buffer {
    const { data } = this.#collector;
    this.#collector.clear();
    return data;
  }

  /** Gives where the final head's body begins, once it is there; the parser has the head then. */
  read(piece: Buffer, asked: Asked, sink: HeadSink): number {
    let data = piece;
    for (;;) {
      const end = this.#collector.collect(data);
      if (end === MORE) return INCOMPLETE;
      const whole = this.#collector.data;
      const parser = this.#parser;
      if (end === TOO_LONG) return this.#malformed("the head is too long");
      if (end === BROKEN)
        return this.#malformed(
          "it does not begin as HTTP/1.1 does, or has a control byte or a line without CR",
        );
      if (!parser.response(whole, 0, end))
        return this.#malformed(`${parser.error?.sentence} (byte ${parser.error?.at} of the head)`);
      if (parser.status >= 200) {
        this.#final(asked.method);
        return end;
      }
      const rest = end < whole.length ? whole.subarray(end) : undefined;
      this.#collector.clear();
      if (parser.status === 101) return this.#switches(asked.upgrade, rest);
      this.#interims += 1;
      if (this.#interims > this.#interimMax)
        return this.#malformed(`more than ${this.#interimMax} interim responses`);
      if (!sink.interim(parser.status, parser.fields) || rest === undefined) return INCOMPLETE;
      data = rest;
    }
  }

  /** RFC 9112 §6.3: how long the body is. */
  #final(method: string): void {
    const { status, minor, connection, chunked, contentLength } = this.#parser;
    const bodiless = method === "HEAD" || status === 204 || status === 304;
    this.keepAlive = minor === 1 ? !listed(connection, "close") : listed(connection, "keep-alive");
    // A server that announces a body where none may be could send it, too.
    if (bodiless && method !== "HEAD" && (chunked || contentLength > 0)) this.keepAlive = false;
    this.length = contentLength;
    if (bodiless) {
      this.length = 0;
      this.#decoder.beginLength(0);
    } else if (chunked) this.#decoder.beginChunked();
    else if (contentLength >= 0) this.#decoder.beginLength(contentLength);
    else {
      this.keepAlive = false;
      this.#decoder.beginUntilEnd();
    }
  }

  /** RFC 9110 §7.8: a server switches to what was offered, and to nothing else. */
  #switches(offered: string, rest: Buffer | undefined): number {
    const { upgrade } = this.#parser;
    if (
      upgrade === "" ||
      !upgrade.split(",").every((protocol) => listed(offered, protocol.trim().toLowerCase()))
    )
      return this.#malformed("101 to a protocol that was not offered");
    this.rest = rest === undefined ? undefined : Buffer.from(rest);
    return SWITCHED;
  }

  #malformed(sentence: string): number {
    this.error = sentence;
    return MALFORMED;
  }
}
