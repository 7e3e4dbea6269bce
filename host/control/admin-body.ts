import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Context } from "hono";
import { TEXT_DEPTH_MAX } from "../config/limits.ts";
import { Problem } from "./admin-problem.ts";

/** Reads bodies into memory, so many bytes of each and so many of all. */
export class Bodies {
  #bytes = 0;

  /** Goes on with `next` when the request has its body, which is JSON as far as can be seen without its shape. */
  async hold(c: Context, incoming: IncomingMessage, next: () => Promise<void>): Promise<void> {
    checkType(incoming.headers["content-type"]);
    const chunks: Buffer[] = [];
    let held = 0;
    try {
      for await (const chunk of chunksOf(incoming)) {
        held += chunk.length;
        this.#bytes += chunk.length;
        if (held > BODY_BYTES_MAX) throw tooLarge();
        if (this.#bytes > ALL_BODIES_BYTES_MAX) {
          throw new Problem("HOST_BUSY", "Too many long bodies are being read.", {
            fields: { "retry-after": "1" },
          });
        }
        chunks.push(chunk);
      }
      const body = Buffer.concat(chunks);
      checkJson(body);
      // Hono's own body-limit makes a Request out of a Request, which the adapter's light ones do not bear unless they
      // replace those of the whole process.
      c.req.raw = new Request(c.req.url, { method: c.req.method, headers: c.req.raw.headers, body });
      await next();
    } finally {
      this.#bytes -= held;
    }
  }
}

const BODY_BYTES_MAX = 1_048_576;
const ALL_BODIES_BYTES_MAX = 67_108_864;

async function* chunksOf(incoming: IncomingMessage): AsyncGenerator<Buffer> {
  // Nothing is read of what says of itself that it is too long.
  if (Number(incoming.headers["content-length"] ?? 0) > BODY_BYTES_MAX) throw tooLarge();
  try {
    // The socket has to outlive the loop: it carries the answer.
    yield* incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    // Nobody reads this answer, but the audit log has it.
    throw new Problem("BODY_REFUSED", "The body broke off.");
  }
}

/** A page may send other types to anybody, without asking first. */
function checkType(field: string | undefined): void {
  const type = field?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    throw new Problem("CONTENT_TYPE_REFUSED", "The body's content type is application/json.");
  }
}

function checkJson(body: Buffer): void {
  if (!isUtf8(body)) throw new Problem("BODY_REFUSED", "The body is no JSON: it is not encoded in UTF-8.");
  if (depthOf(body) > TEXT_DEPTH_MAX) {
    throw new Problem("BODY_REFUSED", `The body has at most ${TEXT_DEPTH_MAX} levels of nesting.`);
  }
}

/** How deep brackets are nested, outside of strings. What recurses into a value later has a stack that ends. */
function depthOf(body: Buffer): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at];
    if (quoted) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) quoted = false;
    } else if (byte === QUOTE) quoted = true;
    else if (byte === OPENING_BRACE || byte === OPENING_BRACKET) deepest = Math.max(deepest, ++depth);
    else if (byte === CLOSING_BRACE || byte === CLOSING_BRACKET) depth -= 1;
  }
  return deepest;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;

function tooLarge(): Problem {
  return new Problem("BODY_TOO_LARGE", `The body is at most ${BODY_BYTES_MAX} bytes long.`);
}
