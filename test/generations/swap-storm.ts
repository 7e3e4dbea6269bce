/** Changes of every kind at random, one in ten of them broken, with a record of what may be live. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AdminClient } from "../../host/control/admin-client.ts";
import type { GenerationView, SwapRequest } from "../../host/control/control.ts";
import { SeededRandom } from "../../host/kit/seeded-random.ts";
import { TRIAL_DEFAULTS } from "../../host/trial/trial.ts";
import { FILTERS_DIRECTORY } from "../../scripts/build-filters.ts";
import { RunningHost } from "../cli/running-host.ts";
import { variant } from "../support/component-file.ts";
import type { Endpoint } from "../support/raw-client.ts";
import type { MixedUpstream } from "./mixed-traffic.ts";
import { type Version, Versions } from "./versions.ts";

export const CHANGES = ["artifact", "config", "canary", "rollback", "reload", "broken"] as const;
export type ChangeKind = (typeof CHANGES)[number];

/** A host with two workers and two filters, and who changes it. */
export class SwapStorm implements AsyncDisposable {
  readonly host: RunningHost;
  readonly versions: Versions;
  readonly counts: Record<ChangeKind, number> = {
    artifact: 0,
    config: 0,
    canary: 0,
    rollback: 0,
    reload: 0,
    broken: 0,
  };
  readonly #client: AdminClient;
  readonly #random: SeededRandom;
  readonly #upstream: string;
  /** What each generation serves when it is rolled back to. */
  readonly #known = new Map<number, Version>();
  #serial = 0;

  private constructor(host: RunningHost, upstream: string, seed: number) {
    this.host = host;
    this.#upstream = upstream;
    this.#random = new SeededRandom(seed);
    this.#client = new AdminClient({ kind: "unix", path: join(host.folder, "admin.sock") });
    const first: Version = { mark: "0", tag: "0" };
    this.versions = new Versions(first);
    this.#known.set(1, first);
  }

  static async start({ origin }: MixedUpstream, seed: number): Promise<SwapStorm> {
    const host = await RunningHost.start(() => {}, configOf(origin, { mark: "0", tag: "0" }));
    return new SwapStorm(host, origin, seed);
  }

  get endpoint(): Endpoint {
    const { hostname, port } = new URL(this.host.url);
    return { host: hostname, port: Number(port) };
  }

  /** One change of a random kind; of a trial it is two. `between`: while a trial runs. */
  async next(between: () => Promise<void>): Promise<void> {
    const kind =
      this.#random.below(10) === 0
        ? "broken"
        : (CHANGES[this.#random.below(CHANGES.length - 1)] as ChangeKind);
    this.counts[kind] += 1;
    if (kind === "artifact") await this.#swap({ component: this.#artifact(), config: this.#nextMark() });
    else if (kind === "config") await this.#swap({ config: this.#nextMark() });
    else if (kind === "canary") await this.#try(between);
    else if (kind === "rollback") await this.#rollBack();
    else if (kind === "reload") await this.#reload();
    else await this.#break();
  }

  generations(): Promise<readonly GenerationView[]> {
    return this.#client.generations();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
    await this.host[Symbol.asyncDispose]();
  }

  async #swap(request: SwapRequest & { readonly config: { mark: string } }): Promise<void> {
    const next = { ...this.#only, ...request.config };
    await this.#changed([next], next, () => this.#client.swap("mark", request));
  }

  async #try(between: () => Promise<void>): Promise<void> {
    const before = this.#only;
    const component = this.#random.below(2) === 0 ? { component: this.#artifact() } : {};
    const config = this.#nextMark();
    const after = { ...before, ...config };
    const limits = { ...TRIAL_DEFAULTS, forMs: 0, addedMsMax: 60_000 };
    const trial = { kind: "canary", percent: 50, key: { kind: "none" }, ...limits } as const;
    // Who goes back to a generation with a trial gets the version beside which it was.
    await this.#changed([before, after], before, () =>
      this.#client.swap("mark", { ...component, config, trial }),
    );
    await between();
    if (this.#random.below(2) === 0) await this.#changed([after], after, () => this.#client.promote("mark"));
    else await this.#changed([before], before, () => this.#client.endTrial("mark"));
  }

  async #rollBack(): Promise<void> {
    const kept = (await this.#client.generations()).filter(({ state }) => state !== "live");
    const target = kept[this.#random.below(Math.max(1, kept.length))];
    if (target === undefined) return this.#reload();
    const version = this.#known.get(target.number);
    assert.ok(version !== undefined, `generation ${target.number} is nobody's: ${JSON.stringify(target)}`);
    await this.#changed([version], version, () => this.#client.rollback(target.number));
  }

  async #reload(): Promise<void> {
    this.#serial += 1;
    const next = { mark: `${this.#serial}`, tag: `${this.#serial}` };
    const path = join(this.host.folder, "sluice.yaml");
    const text = { ...(JSON.parse(readFileSync(path, "utf8")) as object), ...configOf(this.#upstream, next) };
    writeFileSync(path, JSON.stringify(text));
    // The host notices by itself, too, and whichever comes first is right.
    await this.#changed([next], next, () => this.#client.apply());
  }

  async #changed(
    versions: readonly Version[],
    kept: Version,
    ask: () => Promise<{ readonly generation: number }>,
  ): Promise<void> {
    const came = this.versions.change(versions);
    const { generation } = await ask();
    came(true);
    this.#known.set(generation, kept);
  }

  /** What is refused in every way that a change can be. */
  async #break(): Promise<void> {
    const config = this.#nextMark();
    const file = (name: string): string => join(FILTERS_DIRECTORY, `${name}.wasm`);
    const ways: readonly (readonly [code: string, ask: () => Promise<unknown>])[] = [
      ["ARTIFACT_REFUSED", () => this.#client.swap("mark", { component: this.#garbage(), config })],
      ["CONFIGURE_REFUSED", () => this.#client.swap("mark", { config: { mark: 7 } })],
      [
        "CONFIGURE_REFUSED",
        () => this.#client.swap("mark", { component: file("bad_config"), config: { how: "panic" } }),
      ],
      ["GRANT_MISSING", () => this.#client.swap("mark", { component: file("wants_store"), config: null })],
      ["CONFIG_REFUSED", () => this.#client.apply("listen: [")],
    ];
    const [code, ask] = ways[this.#random.below(ways.length)] as (typeof ways)[number];
    const answer: unknown = await ask().catch((error: unknown) => error);
    const got = (answer as { code?: unknown }).code;
    assert.equal(got, code, `what is broken was answered with ${JSON.stringify(answer)} ${String(answer)}`);
  }

  /** A component that begins well and ends too soon. */
  #garbage(): string {
    const path = join(this.host.folder, "garbage.wasm");
    writeFileSync(path, MARK.subarray(0, MARK.length / 2 - this.#serial));
    return path;
  }

  /** One of a few that the store knows after a while, or one that nobody has seen. */
  #artifact(): string {
    const name = this.#random.below(4) === 0 ? `fresh-${this.#serial}` : `known-${this.#random.below(8)}`;
    const path = join(this.host.folder, `${name}.wasm`);
    writeFileSync(path, variant(MARK, name));
    return path;
  }

  #nextMark(): { mark: string } {
    this.#serial += 1;
    return { mark: `${this.#serial}` };
  }

  get #only(): Version {
    const [version, ...more] = this.versions.live;
    assert.ok(version !== undefined && more.length === 0, "a trial is under way");
    return version;
  }
}

function configOf(origin: string, { mark, tag }: Version): object {
  return {
    workers: 2,
    // The machine may be busy with the clients.
    timeouts: { drain: "10m", "event-loop-delay": "1m" },
    log: { exchanges: false },
    upstreams: { main: { servers: [origin] } },
    filters: {
      mark: { component: join(FILTERS_DIRECTORY, "mark.wasm"), config: { mark } },
      tag: {
        component: join(FILTERS_DIRECTORY, "headers.wasm"),
        config: { response: { set: { "x-tag": tag } } },
      },
    },
    routes: [{ filters: ["tag", "mark"], upstream: "main" }],
  };
}

const MARK = readFileSync(join(FILTERS_DIRECTORY, "mark.wasm"));
