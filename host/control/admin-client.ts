import { Agent, type Dispatcher, request } from "undici";
import type { AdminAddress, LogLevel } from "../config/config.ts";
import type { Problem } from "../config/problem.ts";
import type { TimelineView } from "../ops/timeline-view.ts";
import { RECORDING_BYTES_MAX, type RecordRequest } from "../record/record-request.ts";
import type { TrialView } from "../trial/trial.ts";
import { AdminError, formatAdminAddress } from "./admin-address.ts";
import type {
  ArtifactView,
  ChangeResult,
  Differences,
  ExchangeQuestion,
  Explanation,
  FullStatus,
  GenerationView,
  RefusedRequest,
  SwapRequest,
  SwapResult,
  WorkerView,
} from "./control.ts";

/** With what right, and on what condition, a host is asked. */
export interface AdminTerms {
  /** Where the host asks for tokens. */
  readonly token?: string | undefined;
  /** Changes are refused when another generation is live by then. */
  readonly ifGeneration?: number | undefined;
}

/** Asks the admin API of a running host. Whatever goes wrong becomes an `AdminError`. */
export class AdminClient {
  readonly #address: AdminAddress;
  readonly #terms: AdminTerms;
  readonly #agent: Agent;

  constructor(address: AdminAddress, terms: AdminTerms = {}) {
    this.#address = address;
    this.#terms = terms;
    this.#agent = this.#newAgent(ANSWER_BYTES_MAX);
  }

  async status(): Promise<FullStatus> {
    return (await this.#read("/v1/status", "generation")) as FullStatus;
  }

  async workers(): Promise<readonly WorkerView[]> {
    return (await this.#read("/v1/workers", "list")) as WorkerView[];
  }

  async generations(): Promise<readonly GenerationView[]> {
    return (await this.#read("/v1/generations", "list")) as GenerationView[];
  }

  async artifacts(): Promise<readonly ArtifactView[]> {
    return (await this.#read("/v1/artifacts", "list")) as ArtifactView[];
  }

  async refusedRequests(): Promise<readonly RefusedRequest[]> {
    return (await this.#read("/v1/refused", "list")) as RefusedRequest[];
  }

  async exchanges({ failed, route, filter, limit }: ExchangeQuestion): Promise<readonly TimelineView[]> {
    const query = new URLSearchParams({ failed: String(failed), limit: String(limit) });
    if (route !== undefined) query.set("route", route);
    if (filter !== undefined) query.set("filter", filter);
    return (await this.#read(`/v1/exchanges?${query.toString()}`, "list")) as TimelineView[];
  }

  async exchange(requestId: string): Promise<TimelineView> {
    const path = `/v1/exchanges/${encodeURIComponent(requestId)}`;
    return (await this.#read(path, "requestId")) as TimelineView;
  }

  async logLevel(): Promise<LogLevel> {
    return ((await this.#read("/v1/log-level", "level")) as { level: LogLevel }).level;
  }

  async trial(filter: string): Promise<TrialView> {
    return (await this.#read(`${filterPath(filter)}/trial`, "filter")) as TrialView;
  }

  /** The Prometheus exposition. */
  async metrics(): Promise<string> {
    const { status, type, text } = await this.#send("GET", "/metrics", undefined, READ_MS_MAX);
    if (status === 200 && type.startsWith("text/plain")) return text;
    throw this.#errorFor("GET /metrics", { status, type, text });
  }

  async explain(method: string, url: string): Promise<Explanation> {
    return (await this.#ask("/v1/explain", { method, url })) as Explanation;
  }

  /** Of a text, or of the host's own file when there is none. */
  async diff(text?: string): Promise<Differences> {
    return (await this.#ask("/v1/config/diff", { text })) as Differences;
  }

  async diffSwap(filter: string, change: SwapRequest): Promise<Differences> {
    return (await this.#ask(`${filterPath(filter)}/diff`, change, CHANGE_MS_MAX)) as Differences;
  }

  /** Makes a text live, or the host's own file when there is none. */
  async apply(text?: string): Promise<ChangeResult> {
    return (await this.#change("/v1/config/apply", { text })) as ChangeResult;
  }

  async swap(filter: string, change: SwapRequest): Promise<SwapResult> {
    return (await this.#change(`${filterPath(filter)}/swap`, change)) as SwapResult;
  }

  async promote(filter: string): Promise<ChangeResult> {
    return (await this.#change(`${filterPath(filter)}/promote`, {})) as ChangeResult;
  }

  async endTrial(filter: string): Promise<ChangeResult> {
    return (await this.#change(`${filterPath(filter)}/rollback`, {})) as ChangeResult;
  }

  /** To the generation before the live one when none is given. */
  async rollback(generation?: number): Promise<ChangeResult> {
    return (await this.#change("/v1/rollback", { generation })) as ChangeResult;
  }

  async drainServer(upstream: string, server: string, drained: boolean): Promise<ChangeResult> {
    const path = `${upstreamPath(upstream)}/${drained ? "drain" : "undrain"}`;
    return (await this.#change(path, { server })) as ChangeResult;
  }

  async setWeight(upstream: string, server: string, weight: number): Promise<ChangeResult> {
    return (await this.#change(`${upstreamPath(upstream)}/weight`, { server, weight })) as ChangeResult;
  }

  async setLogLevel(level: LogLevel): Promise<LogLevel> {
    return ((await this.#change("/v1/log-level", { level }, "level")) as { level: LogLevel }).level;
  }

  /** Gives the digests of those that are gone. */
  async collectArtifacts(): Promise<readonly string[]> {
    return ((await this.#change("/v1/artifacts/collect", {}, "removed")) as { removed: string[] }).removed;
  }

  /** Gives the recording piece by piece, while it is made; who stops to ask for more, or aborts, ends it. */
  async *record(filter: string, question: RecordRequest, signal: AbortSignal): AsyncGenerator<Buffer> {
    const path = `${filterPath(filter)}/record`;
    const waitMs = question.forMs + READ_MS_MAX;
    const dispatcher = this.#newAgent(2 * RECORDING_BYTES_MAX);
    try {
      const { ifGeneration } = this.#terms;
      const answer = await this.#request(dispatcher, "POST", path, question, waitMs, ifGeneration, signal);
      const type = typeOf(answer);
      if (answer.statusCode !== 200 || !type.startsWith("application/x-ndjson")) {
        const text = await answer.body.text();
        throw this.#errorFor(`POST ${path}`, { status: answer.statusCode, type, text });
      }
      yield* answer.body as AsyncIterable<Buffer>;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof AdminError) throw error;
      throw new AdminError(sentenceFor(error, this.#address, waitMs), undefined, { cause: error });
    } finally {
      await dispatcher.destroy();
    }
  }

  /** What is still asked is answered no more. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #read(path: string, expected: Expected): Promise<unknown> {
    return this.#answer("GET", path, undefined, READ_MS_MAX, expected);
  }

  /** What changes nothing, but has a body. */
  #ask(path: string, question: object, waitMs = READ_MS_MAX): Promise<unknown> {
    return this.#answer("POST", path, question, waitMs, "generation");
  }

  #change(path: string, question: object, expected: Expected = "generation"): Promise<unknown> {
    return this.#answer("POST", path, question, CHANGE_MS_MAX, expected, this.#terms.ifGeneration);
  }

  async #answer(
    method: "GET" | "POST",
    path: string,
    question: object | undefined,
    waitMs: number,
    expected: Expected,
    ifGeneration?: number,
  ): Promise<unknown> {
    const found = await this.#send(method, path, question, waitMs, ifGeneration);
    const answer = found.status === 200 ? parseAnswer(found) : undefined;
    if (expected === "list" ? Array.isArray(answer) : isRecord(answer) && expected in answer) return answer;
    throw this.#errorFor(`${method} ${path}`, found);
  }

  /** What the API said itself; whatever else answers there is not believed. */
  #errorFor(asked: string, answer: Answer): AdminError {
    const problem = answer.status === 200 ? undefined : parseAnswer(answer);
    if (isRecord(problem)) {
      const { detail, code, problems } = problem;
      if (typeof detail === "string" && typeof code === "string")
        return new AdminError(detail, code, {
          problems: Array.isArray(problems) ? problems.filter(isProblem) : [],
        });
    }
    const { status, type } = answer;
    return new AdminError(
      `What answers at ${formatAdminAddress(this.#address)} is not the admin API of Sluice: ` +
        `${asked} gave status ${status} and ${type === "" ? "no content type" : type}.`,
    );
  }

  async #send(
    method: "GET" | "POST",
    path: string,
    question: object | undefined,
    waitMs: number,
    ifGeneration?: number,
  ): Promise<Answer> {
    try {
      const answer = await this.#request(this.#agent, method, path, question, waitMs, ifGeneration);
      return { status: answer.statusCode, type: typeOf(answer), text: await answer.body.text() };
    } catch (error) {
      throw new AdminError(sentenceFor(error, this.#address, waitMs), undefined, { cause: error });
    }
  }

  #newAgent(bytesMax: number): Agent {
    const { kind } = this.#address;
    return new Agent({
      connections: 1,
      connectTimeout: CONNECT_MS_MAX,
      maxResponseSize: bytesMax,
      ...(kind === "unix" && { connect: { socketPath: this.#address.path, timeout: CONNECT_MS_MAX } }),
    });
  }

  #request(
    dispatcher: Agent,
    method: "GET" | "POST",
    path: string,
    question: object | undefined,
    waitMs: number,
    ifGeneration: number | undefined,
    signal?: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const { token } = this.#terms;
    // Over a unix socket the name means nothing, but HTTP demands one.
    const origin = `http://${this.#address.kind === "unix" ? "localhost" : formatAdminAddress(this.#address)}`;
    return request(`${origin}${path}`, {
      dispatcher,
      method,
      ...(signal !== undefined && { signal }),
      headersTimeout: waitMs,
      bodyTimeout: waitMs,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(ifGeneration !== undefined && { "if-match": `"${ifGeneration}"` }),
        ...(question !== undefined && { "content-type": "application/json" }),
      },
      ...(question !== undefined && { body: JSON.stringify(question) }),
    });
  }
}

function typeOf({ headers }: Dispatcher.ResponseData): string {
  const type = headers["content-type"];
  return typeof type === "string" ? type : "";
}

/** What an answer is recognized by: a list, or an object with this member. */
type Expected = "list" | "generation" | "filter" | "level" | "removed" | "requestId";

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const CONNECT_MS_MAX = 5_000;
const READ_MS_MAX = 10_000;
/** A first load compiles components and configures them on every worker. */
const CHANGE_MS_MAX = 120_000;
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

function filterPath(name: string): string {
  return `/v1/filters/${encodeURIComponent(name)}`;
}

function upstreamPath(name: string): string {
  return `/v1/upstreams/${encodeURIComponent(name)}`;
}

function sentenceFor(error: unknown, address: AdminAddress, waitMs: number): string {
  const at = formatAdminAddress(address);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ECONNREFUSED":
      return `No host answers at ${at}: it is not running, or its admin address is another one (-c or --admin).`;
    case "ENOENT":
      return `No host answers at ${at}: there is no such socket.`;
    case "EACCES":
      return `No permission to use the socket ${at}: it belongs to the user that runs the host.`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `The name of the admin address ${at} is unknown.`;
    case "UND_ERR_CONNECT_TIMEOUT":
      return `No connection to ${at} within ${CONNECT_MS_MAX / 1000} s.`;
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
      return `No answer from ${at} within ${waitMs / 1000} s; what was asked for may still happen: see sluice status.`;
    case "UND_ERR_SOCKET":
    case "ECONNRESET":
      return `The host at ${at} closed the connection before it answered; sluice status tells what runs now.`;
    default:
      return `The admin API at ${at} cannot be asked: ${error instanceof Error ? error.message : String(error)}.`;
  }
}

/** Undefined when it is no JSON. */
function parseAnswer({ type, text }: Answer): unknown {
  if (!/^application\/(?:problem\+)?json\b/.test(type)) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isProblem(value: unknown): value is Problem {
  if (!isRecord(value)) return false;
  const { line, column, path, sentence } = value;
  return (
    typeof line === "number" &&
    typeof column === "number" &&
    typeof path === "string" &&
    typeof sentence === "string"
  );
}
