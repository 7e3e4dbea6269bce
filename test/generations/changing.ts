import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { parseConfig } from "../../host/config/parse.ts";
import { Refusal } from "../../host/control/control.ts";
import { Host } from "../../host/host.ts";
import { createLog } from "../../host/ops/log.ts";
import { request } from "../support/raw-client.ts";
import { component, TestHost } from "../support/test-host.ts";
import { Upstream } from "../support/upstream.ts";

export const MARK: string = component("mark");

/** What was transpiled once need not be again; each configuration file has generations of its own all the same. */
const STORE = mkdtempSync(join(tmpdir(), "sluice-change-store-"));
afterAll(() => rmSync(STORE, { recursive: true }));

interface Parts {
  readonly mark?: string;
  readonly listen?: readonly unknown[];
  readonly servers?: readonly unknown[];
  readonly rest?: object;
}

/** One test's host with a configuration file, and an upstream behind it. */
export class Place implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "sluice-change-"));
  readonly file: string = join(this.folder, "sluice.yaml");
  readonly upstream: Upstream;
  readonly stack: AsyncDisposableStack = new AsyncDisposableStack();

  private constructor(upstream: Upstream) {
    this.upstream = upstream;
    this.stack.defer(() => rmSync(this.folder, { recursive: true }));
    this.stack.use(upstream);
  }

  static async make(): Promise<Place> {
    return new Place(await Upstream.start());
  }

  /** One filter that marks responses, and one upstream. */
  text({
    mark = "one",
    listen = ["127.0.0.1:0"],
    servers = [this.upstream.origin],
    rest,
  }: Parts = {}): string {
    return JSON.stringify({
      listen,
      admin: false,
      workers: 2,
      artifacts: STORE,
      timeouts: { "event-loop-delay": "1m" },
      upstreams: { main: { servers } },
      filters: { mark: { component: MARK, config: { mark } } },
      routes: [{ upstream: "main", filters: ["mark"] }],
      ...rest,
    });
  }

  write(parts: Parts): void {
    writeFileSync(this.file, this.text(parts));
  }

  async start(parts: Parts = {}): Promise<TestHost> {
    this.write(parts);
    const config = parseConfig(this.text(parts), this.file, process.env);
    const log = createLog({ level: "info", destination: join(this.folder, "log") });
    const host = await Host.start(config, log, undefined, this.file);
    this.stack.defer(() => host.force());
    return new TestHost(host, this.folder);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stack.disposeAsync();
  }
}

export async function markOf(host: TestHost): Promise<string | undefined> {
  await using client = await host.connect();
  return (await client.ask(request("/"))).head.one("x-mark");
}

export async function refusal(change: Promise<unknown>): Promise<Refusal> {
  const error: unknown = await change.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Refusal);
  return error as Refusal;
}
