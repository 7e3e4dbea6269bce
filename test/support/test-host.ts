import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { Config } from "../../host/config/config.ts";
import { parseConfig } from "../../host/config/parse.ts";
import { Host } from "../../host/host.ts";
import { createLog } from "../../host/ops/log.ts";
import { type Endpoint, RawClient } from "./raw-client.ts";
import type { Upstream } from "./upstream.ts";
import { waitFor } from "./waiting.ts";

/** Parts of a configuration file; what is left out is what a test needs least of. */
export interface ConfigParts {
  readonly listen?: readonly object[];
  readonly upstreams?: Readonly<Record<string, object>>;
  readonly secrets?: Readonly<Record<string, object>>;
  readonly filters?: Readonly<Record<string, object>>;
  readonly routes?: readonly object[];
  readonly timeouts?: Readonly<Record<string, string>>;
  readonly limits?: Readonly<Record<string, number | string>>;
  readonly workers?: number;
  readonly store?: object;
  readonly log?: object;
  readonly "client-address"?: object | string;
  readonly timelines?: object;
  readonly capsules?: object;
  readonly forwarded?: object;
  readonly artifacts?: string;
}

/** A line of the log. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [member: string]: unknown;
}

/** A running host, with its log in a file that tests can read. */
export class TestHost implements AsyncDisposable {
  readonly host: Host;
  readonly folder: string;
  readonly address: Endpoint;

  constructor(host: Host, folder: string) {
    this.host = host;
    this.folder = folder;
    const [listen = ""] = host.status().listen;
    this.address = { host: "127.0.0.1", port: Number(listen.slice(listen.lastIndexOf(":") + 1)) };
  }

  /** `from`: an address of this machine. */
  connect(from?: string): Promise<RawClient> {
    return RawClient.connect(from === undefined ? this.address : { ...this.address, from });
  }

  /** Resolves with the lines that are wanted, once there are so many of them. */
  lines(what: string, wanted: (line: LogLine) => boolean, count = 1): Promise<LogLine[]> {
    return waitFor(`${count} log lines: ${what}`, () => {
      const found = this.log().filter(wanted);
      return found.length >= count && found;
    });
  }

  /** The log as far as it is written. */
  log(): LogLine[] {
    const text = readFileSync(join(this.folder, "log"), "utf8");
    return text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** One sample of the exposition; 0 when it is not there. */
  async metric(series: string): Promise<number> {
    const { body } = await this.host.metrics();
    const line = body.split("\n").find((candidate) => candidate.startsWith(`${series} `));
    return line === undefined ? 0 : Number(line.slice(series.length + 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.force();
    rmSync(this.folder, { recursive: true });
  }
}

/** Starts a host on a port of its own. Without routes, all requests go to the upstream `main`. */
export async function startHost(parts: ConfigParts): Promise<TestHost> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-host-"));
  try {
    const config = configOf(parts, folder);
    const log = createLog({ level: config.log.level, destination: join(folder, "log") });
    return new TestHost(await Host.start(config, log), folder);
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
}

/** A host in front of one upstream. */
export function startProxy(upstream: Upstream, parts: ConfigParts = {}): Promise<TestHost> {
  return startHost({ upstreams: { main: { servers: [upstream.origin] } }, ...parts });
}

export function configOf(parts: ConfigParts, folder: string = tmpdir()): Config {
  const whole = {
    listen: ["127.0.0.1:0"],
    admin: false,
    workers: 1,
    artifacts: ARTIFACTS,
    routes: [{ upstream: "main" }],
    ...parts,
    // A machine that is busy with other things is no reason to refuse a test's requests.
    timeouts: { "event-loop-delay": "1m", ...parts.timeouts },
  };
  // JSON is YAML.
  return parseConfig(JSON.stringify(whole), join(folder, "sluice.yaml"), process.env);
}

/** The path of a filter that global-setup.ts has built. */
export function component(name: string): string {
  return join(import.meta.dirname, "..", "..", ".sluice", "filters", `${name}.wasm`);
}

/** One for all hosts of a test file: what one has transpiled, the next one need not. */
const ARTIFACTS = mkdtempSync(join(tmpdir(), "sluice-store-"));
// Registered before any hook of the file itself, and so the last one to run. Test processes are ended without an `exit`.
afterAll(() => rmSync(ARTIFACTS, { recursive: true, force: true }));
