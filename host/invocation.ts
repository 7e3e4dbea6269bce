import type { Message } from "./borrowing.ts";
import type { Awaitable, BodyDecision, ChunkDecision, Instance } from "./filter/contract.ts";
import { HeldBody } from "./held-body.ts";
import type { RequestHead, ResponseHead, Trailers } from "./message.ts";
import { type FilterPhase, PHASE } from "./ops/meter.ts";

/** Makes the call of a phase. `body` is a chunk, or the whole; `last`: no more bytes follow. */
export function invoke(
  instance: Instance,
  phase: FilterPhase,
  message: Message,
  body: Buffer | HeldBody | undefined,
  last: boolean,
): Awaitable<ChunkDecision | BodyDecision> {
  switch (phase) {
    case PHASE.request:
      return instance.onRequest(message as RequestHead);
    case PHASE.response:
      return instance.onResponse(message as ResponseHead);
    case PHASE["request-body"]:
      return body instanceof HeldBody
        ? instance.onRequestBody(message as RequestHead, body)
        : instance.onRequestChunk(body as Buffer, last);
    case PHASE["response-body"]:
      return body instanceof HeldBody
        ? instance.onResponseBody(message as ResponseHead, body)
        : instance.onResponseChunk(body as Buffer, last);
    case PHASE["request-trailers"]:
      return instance.onRequestTrailers(message as Trailers);
    case PHASE["response-trailers"]:
      return instance.onResponseTrailers(message as Trailers);
    default:
      throw new Error(`phase ${phase} is none of a message`);
  }
}
