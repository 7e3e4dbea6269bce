import type { Dispatcher } from "undici";
import type { HttpAnswer, HttpCall, HttpSender, OwnRequest } from "../filter/http-client.ts";
import { failed, type SentRequest, sentOf } from "./mock-services.ts";

/** Sends filters' own requests through a dispatcher of undici, like its MockAgent: an upstream's origin is `http://<its name>`. */
export class AgentServices implements HttpSender {
  readonly sent: SentRequest[] = [];
  readonly #agent: Dispatcher;

  constructor(agent: Dispatcher) {
    this.#agent = agent;
  }

  send(request: OwnRequest, bytesMax: number, done: (answer: HttpAnswer) => void): HttpCall {
    this.sent.push(sentOf(request));
    const ending = new AbortController();
    void this.#tell(request, bytesMax, ending.signal, done);
    return { cancel: () => ending.abort() };
  }

  async #tell(
    request: OwnRequest,
    bytesMax: number,
    signal: AbortSignal,
    done: (answer: HttpAnswer) => void,
  ): Promise<void> {
    const answer = await this.#asked(request, bytesMax, signal);
    if (!signal.aborted) done(answer);
  }

  async #asked(request: OwnRequest, bytesMax: number, signal: AbortSignal): Promise<HttpAnswer> {
    const { upstream, method, path, fields, body } = request;
    try {
      const {
        statusCode,
        headers,
        body: answer,
      } = await this.#agent.request({
        origin: `http://${upstream}`,
        method,
        path,
        headers: [...fields],
        body: body.byteLength === 0 ? null : Buffer.from(body),
        signal,
      });
      const bytes = new Uint8Array(await answer.arrayBuffer());
      if (bytes.length > bytesMax) return failed({ tag: "too-large" });
      return { tag: "ok", val: { status: statusCode, fields: flat(headers), body: bytes } };
    } catch (error) {
      // What the agent says of a request that nobody expects is for the author of the test.
      const { name, message } = error as Error;
      if (name === "MockNotMatchedError") return failed({ tag: "other", val: message });
      return failed({ tag: "unreachable" });
    }
  }
}

function flat(headers: Record<string, string | string[] | undefined>): string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().flatMap((one) => [name, one]),
  );
}
