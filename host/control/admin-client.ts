import { Agent, request } from "undici";
import type { AdminAddress } from "../config/config.ts";
import { AdminError, formatAdminAddress } from "./admin-address.ts";
import type { FullStatus, SwapRequest, SwapResult } from "./control.ts";

/** Asks the admin API of a running host. Whatever goes wrong becomes an `AdminError`. */
export class AdminClient {
  readonly #address: AdminAddress;
  readonly #agent: Agent;

  constructor(address: AdminAddress) {
    this.#address = address;
    this.#agent = new Agent({
      connections: 1,
      connectTimeout: CONNECT_MS_MAX,
      maxResponseSize: ANSWER_BYTES_MAX,
      ...(address.kind === "unix" && { connect: { socketPath: address.path, timeout: CONNECT_MS_MAX } }),
    });
  }

  async status(): Promise<FullStatus> {
    return (await this.#ask("GET", "/v1/status", undefined, STATUS_MS_MAX)) as FullStatus;
  }

  async swap(filter: string, change: SwapRequest): Promise<SwapResult> {
    const path = `/v1/filters/${encodeURIComponent(filter)}/swap`;
    return (await this.#ask("POST", path, change, SWAP_MS_MAX)) as SwapResult;
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }

  async #ask(method: "GET" | "POST", path: string, question: unknown, waitMs: number): Promise<unknown> {
    const { status, type, text } = await this.#send(method, path, question, waitMs);
    const answer = /^application\/(?:problem\+)?json\b/.test(type) ? parseObject(text) : undefined;
    if (status === 200 && answer !== undefined && "generation" in answer) return answer;
    const detail = answer?.["detail"];
    const code = answer?.["code"];
    if (typeof detail === "string" && typeof code === "string") throw new AdminError(detail, code);
    throw new AdminError(
      `What answers at ${formatAdminAddress(this.#address)} is not the admin API of Sluice: ` +
        `${method} ${path} gave status ${status} and ${type === "" ? "no content type" : type}.`,
    );
  }

  async #send(method: "GET" | "POST", path: string, question: unknown, waitMs: number): Promise<Answer> {
    // Over a unix socket the name means nothing, but HTTP demands one.
    const origin = `http://${this.#address.kind === "unix" ? "localhost" : formatAdminAddress(this.#address)}`;
    try {
      const answer = await request(`${origin}${path}`, {
        dispatcher: this.#agent,
        method,
        headersTimeout: waitMs,
        bodyTimeout: waitMs,
        ...(question !== undefined && {
          headers: { "content-type": "application/json" },
          body: JSON.stringify(question),
        }),
      });
      const type = answer.headers["content-type"];
      return {
        status: answer.statusCode,
        type: typeof type === "string" ? type : "",
        text: await answer.body.text(),
      };
    } catch (error) {
      throw new AdminError(sentenceFor(error, this.#address, waitMs), undefined, { cause: error });
    }
  }
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const CONNECT_MS_MAX = 5_000;
const STATUS_MS_MAX = 10_000;
/** A first load compiles the component and configures it on every worker. */
const SWAP_MS_MAX = 120_000;
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

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

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
