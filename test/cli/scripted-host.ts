import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import type {
  ChangeResult,
  FilterStatus,
  FullStatus,
  GenerationView,
  RefusalCode,
  SwapResult,
} from "../../host/control/control.ts";
import type { Problem } from "../../host/config/problem.ts";
import type { TrialView } from "../../host/trial/trial.ts";
import { SERVERS } from "../control/plain-state.ts";
import { type Outcome, sluice } from "./command.ts";

export const OLD_DIGEST: string = "0".repeat(64);
export const NEW_DIGEST: string = "1".repeat(64);

/** A question that a command has asked. */
export interface Question {
  /** `POST /v1/rollback`. */
  readonly what: string;
  readonly body: unknown;
  readonly ifMatch: string | undefined;
  readonly authorization: string | undefined;
}

/** What a path answers with, or what answers. A string is text. */
type Script = object | string | ((question: Question) => object | string | Promise<object>);

/** A refusal of the host, to be answered. */
export class Refused {
  readonly status: number;
  readonly body: object;

  constructor(
    status: number,
    code: RefusalCode | "TOKEN_REFUSED" | "EXCHANGE_UNKNOWN",
    detail: string,
    problems?: readonly Problem[],
  ) {
    this.status = status;
    this.body = { type: "about:blank", title: "", status, code, detail, problems };
  }
}

/** An admin API that says what it was told to, and remembers what it was asked: for commands, whatever a host makes of it. */
export class ScriptedHost implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "sluice-scripted-"));
  readonly questions: Question[] = [];
  readonly #answers = new Map<string, Script>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      void this.#answer(request, response);
    });
    this.answer("GET /v1/status", STATUS);
    this.answer("GET /v1/generations", GENERATIONS);
  }

  /** On a port of its own, or on this socket file. */
  static async start(path?: string): Promise<ScriptedHost> {
    const host = new ScriptedHost();
    if (path === undefined) host.#server.listen(0, "127.0.0.1");
    else host.#server.listen(path);
    await once(host.#server, "listening");
    return host;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  answer(what: string, script: Script): void {
    this.#answers.set(what, script);
  }

  /** Runs a command that asks this host. */
  run(...words: string[]): Promise<Outcome> {
    return this.runWith({}, ...words);
  }

  runWith(env: Readonly<Record<string, string>>, ...words: string[]): Promise<Outcome> {
    return sluice([...words, "--admin", this.address], { cwd: this.folder, env });
  }

  /** The last question but those for the status, which commands ask beside it. */
  get asked(): Question | undefined {
    return this.questions.findLast(({ what }) => what !== "GET /v1/status" && what !== "GET /v1/generations");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
    rmSync(this.folder, { recursive: true });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = request;
    const question: Question = {
      what: `${method} ${url}`,
      body: method === "POST" ? await json(request) : undefined,
      ifMatch: headers["if-match"],
      authorization: headers.authorization,
    };
    this.questions.push(question);
    const script = this.#answers.get(question.what);
    const found = typeof script === "function" ? await script(question) : script;
    const [status, type, content] = answerOf(found);
    response.writeHead(status, { "content-type": type }).end(content);
  }
}

function answerOf(found: object | string | undefined): [status: number, type: string, content: string] {
  if (found === undefined) return [404, "text/plain", "not scripted"];
  if (typeof found === "string") return [200, "text/plain; version=0.0.4", found];
  return found instanceof Refused
    ? [found.status, "application/problem+json", JSON.stringify(found.body)]
    : [200, "application/json", JSON.stringify(found)];
}

const FILTER: FilterStatus = {
  name: "keys",
  component: "/srv/filters/keys.wasm",
  digest: OLD_DIGEST,
  path: "direct",
  phases: ["request", "end"],
  onFailure: "closed",
  quarantined: 0,
  trial: null,
};

export const STATUS: FullStatus = {
  version: "0.1.0",
  pid: 4711,
  startedAt: Date.now() - 65_000,
  generation: 4,
  listen: ["127.0.0.1:8080"],
  workers: [
    { id: 1, state: "serving" },
    { id: 2, state: "serving" },
  ],
  filters: [FILTER],
  routes: [{ name: "api", filters: ["keys"], upstream: "echo", slo: null }],
  upstreams: [
    {
      name: "echo",
      servers: ["http://127.0.0.1:9000", "http://echo.test:80"],
      drained: [],
      addresses: SERVERS,
    },
  ],
  file: { path: "/etc/sluice/sluice.yaml", differs: false, problems: [], refusal: null },
};

export const GENERATIONS: readonly GenerationView[] = [
  {
    number: 4,
    at: Date.now() - 3 * 60_000 - 500,
    by: "ci",
    changes: ["filters.keys.config has changed", "routes[1] is new"],
    digests: { keys: OLD_DIGEST },
    state: "live",
    exchanges: 2,
  },
  {
    number: 3,
    at: Date.now() - 2 * 3_600_000 - 500,
    by: "file",
    changes: ["limits.exchanges has changed"],
    digests: { keys: OLD_DIGEST },
    state: "draining",
    exchanges: 7,
  },
];

export const CHANGE: ChangeResult = {
  generation: 5,
  durationMs: 41.4,
  changes: ["filters.keys.component has changed"],
};

export const SWAP: SwapResult = {
  ...CHANGE,
  filter: "keys",
  from: OLD_DIGEST,
  to: NEW_DIGEST,
  configChanged: false,
};

export const TRIAL: TrialView = {
  filter: "keys",
  request: {
    kind: "canary",
    percent: 5,
    key: { kind: "header", name: "x-user" },
    forMs: 600_000,
    exchangesMin: 100,
    errorPercentMax: 1,
    failuresMax: 0,
    addedMsMax: 5,
    differencePercentMax: 100,
  },
  component: "/srv/filters/next.wasm",
  digest: NEW_DIGEST,
  startedAt: Date.now() - 180_000,
  present: { exchanges: 1_900, failed: 19, failures: 0, meanMs: 0.0214 },
  candidate: { exchanges: 100, failed: 0, failures: 0, meanMs: 0.035 },
  shadow: null,
  burns: [],
  state: "running",
  why: "It is within its limits; promoted in 7 minutes.",
};

export function withFilter(change: Partial<FilterStatus>): FullStatus {
  return { ...STATUS, filters: [{ ...FILTER, ...change }] };
}
