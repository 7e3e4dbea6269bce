import type { HttpAnswer, HttpCall, HttpSender, OwnRequest } from "../filter/http-client.ts";
import type { RecordedRequest } from "./record.ts";

/**
 * Sends nothing: a request that the other version has sent in the same exchange gets the same answer, each recorded one once,
 * and any other is told that no server can be reached.
 */
export class ReplayedAnswers implements HttpSender {
  readonly #left: RecordedRequest[];
  readonly #seen: (request: OwnRequest) => OwnRequest;

  /** `seen`: a request as it would have been recorded, which the recorded ones are held against. */
  constructor(
    recorded: readonly RecordedRequest[],
    seen: (request: OwnRequest) => OwnRequest = (request) => request,
  ) {
    this.#left = [...recorded];
    this.#seen = seen;
  }

  send(request: OwnRequest, _bytesMax: number, done: (answer: HttpAnswer) => void): HttpCall {
    const seen = this.#seen(request);
    const at = this.#left.findIndex((recorded) => isSame(recorded.request, seen));
    const [found] = at < 0 ? [] : this.#left.splice(at, 1);
    done(found?.answer ?? UNREACHABLE);
    return NOTHING_UNDER_WAY;
  }
}

function isSame(one: OwnRequest, other: OwnRequest): boolean {
  return (
    one.upstream === other.upstream &&
    one.method === other.method &&
    one.path === other.path &&
    one.fields.join("\n") === other.fields.join("\n") &&
    Buffer.compare(one.body, other.body) === 0
  );
}

const UNREACHABLE: HttpAnswer = { tag: "err", val: { tag: "unreachable" } };

const NOTHING_UNDER_WAY: HttpCall = { cancel: () => {} };
