import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { parseConfig } from "../../host/config/parse.ts";
import { type Admin, startAdmin } from "../../host/control/admin.ts";
import { Host } from "../../host/host.ts";
import { createLog, type Log } from "../../host/ops/log.ts";
import { request } from "../support/raw-client.ts";
import { component, type ConfigParts, configOf, TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { TOKENS } from "../control/desk.ts";

/** The filter that the tests change: it tells of itself in each response. */
export const MARKS: { readonly mark: { readonly component: string; readonly config: object } } = {
  mark: { component: component("mark"), config: { mark: "old" } },
};

export interface Parts extends ConfigParts {
  /** Whether it asks for tokens, those of `desk.ts`. */
  readonly asksForTokens?: boolean;
}

/** A host with a configuration file and an admin address, and a page in a browser that shows it. */
export class LookedOn implements AsyncDisposable {
  readonly host: Host;
  readonly page: Page;
  readonly file: string;
  /** The same host, with its log and its metrics. */
  readonly running: TestHost;
  readonly #upstream: Upstream;
  readonly #context: BrowserContext;
  readonly #log: Log;
  #admin: Admin;
  /** What a page must not do: ask elsewhere, break its policy, throw. */
  readonly #misdeeds: string[] = [];

  private constructor(
    own: { host: Host; admin: Admin; file: string; log: Log; folder: string },
    upstream: Upstream,
    context: BrowserContext,
    page: Page,
  ) {
    this.host = own.host;
    this.file = own.file;
    this.page = page;
    this.running = new TestHost(own.host, own.folder);
    this.#upstream = upstream;
    this.#context = context;
    this.#log = own.log;
    this.#admin = own.admin;
  }

  static async start(browser: Browser, { asksForTokens, ...parts }: Parts = {}): Promise<LookedOn> {
    const folder = mkdtempSync(join(tmpdir(), "sluice-dashboard-"));
    const upstream = await Upstream.start(({ head }) => ok(head.all("x-mark").join()));
    const { artifacts } = configOf({ upstreams: { main: { servers: [upstream.origin] } } }, folder);
    const file = join(folder, "sluice.yaml");
    const admin = asksForTokens === true ? { address: "127.0.0.1:0", tokens: TOKENS } : "127.0.0.1:0";
    const whole = {
      listen: ["127.0.0.1:0"],
      admin,
      workers: 1,
      artifacts,
      upstreams: { main: { servers: [upstream.origin] } },
      filters: MARKS,
      routes: [{ name: "all", upstream: "main", filters: ["mark"] }],
      timeouts: { "event-loop-delay": "1m" },
      ...parts,
    };
    // JSON is YAML; with a line for each member a problem has a line of its own.
    writeFileSync(file, JSON.stringify(whole, undefined, 2));
    const config = parseConfig(JSON.stringify(whole, undefined, 2), file, process.env);
    const log = createLog({ level: "warn", destination: join(folder, "log") });
    const host = await Host.start(config, log, undefined, file);
    const started = await startAdmin(host, config.admin!, log.logger);
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    const own = { host, admin: started, file, log, folder };
    const looked = new LookedOn(own, upstream, context, page);
    looked.#watch();
    return looked;
  }

  get address(): string {
    return `http://${this.#admin.address}/`;
  }

  /** Opens one of its views. */
  async show(view: string): Promise<void> {
    await this.page.goto(`${this.address}#${view}`);
    await this.page.getByText("serving").first().waitFor();
  }

  /** What answers through the proxy, each time anew. */
  async served(count = 1, target = "/"): Promise<string[]> {
    const client = await this.running.connect();
    const seen: string[] = [];
    try {
      for (let round = 0; round < count; round++) {
        const { head } = await client.ask(request(target));
        seen.push(head.one("x-mark") ?? "");
      }
      return seen;
    } finally {
      await client[Symbol.asyncDispose]();
    }
  }

  /** As if the host had gone: its admin address answers no more. */
  async closeAdmin(): Promise<void> {
    await this.#admin.close();
  }

  async openAdmin(): Promise<void> {
    const { address } = this.#admin;
    const [host = "", port = ""] = address.split(":");
    const at = { kind: "tcp", host, port: Number(port) } as const;
    this.#admin = await startAdmin(
      this.host,
      { address: at, hosts: [], tokens: [], audit: null },
      this.#log.logger,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
    await this.#admin.close();
    await this.running[Symbol.asyncDispose]();
    await this.#upstream[Symbol.asyncDispose]();
    assert.deepEqual(this.#misdeeds, [], "the page has done what it must not");
  }

  #watch(): void {
    const own = new URL(this.address).origin;
    this.page.on("request", (asked) => {
      const url = asked.url();
      if (new URL(url).origin !== own) this.#misdeeds.push(`asked ${url}`);
      if (url.includes("slc_")) this.#misdeeds.push(`told a token in ${url}`);
    });
    this.page.on("pageerror", (error) => this.#misdeeds.push(`threw ${error.message}`));
    this.page.on("console", (message) => {
      const text = message.text();
      if (/content security policy/i.test(text)) this.#misdeeds.push(text);
    });
  }
}
