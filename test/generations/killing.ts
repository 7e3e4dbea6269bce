/** A host that is killed in the middle of changes, and what it comes back with. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { setTimeout as time } from "node:timers/promises";
import { AdminClient } from "../../host/control/admin-client.ts";
import { TRIAL_DEFAULTS } from "../../host/trial/trial.ts";
import { FILTERS_DIRECTORY } from "../../scripts/build-filters.ts";
import { RunningHost } from "../cli/running-host.ts";
import { variant } from "../support/component-file.ts";
import { RawClient, request } from "../support/raw-client.ts";

/** What is live: a filter's artifact and config. Each config comes with one artifact only, so that a mix shows. */
interface Served {
  readonly digest: string;
  readonly mark: string;
}

/** When the process is killed: before a step of this number, counted from 1, or after a time. */
export type Moment = { readonly step: number } | { readonly delayMs: number };

export const KILLED = ["fresh", "known", "config", "apply", "reload", "rollback", "promote"] as const;
export type Killed = (typeof KILLED)[number];

export interface KillOutcome {
  /** The step before which it was killed; undefined when the change was over by then, or the moment was a time. */
  readonly step: string | undefined;
  readonly answeredMs: number | undefined;
  readonly came: "old" | "new";
}

interface Undertaking {
  readonly next: Served;
  readonly ask: (client: AdminClient) => Promise<unknown>;
}

/** One host, which is killed and started again and again. */
export class Killing implements AsyncDisposable {
  readonly host: RunningHost;
  readonly #known = new Map<number, Served>();
  #live: Served;
  #serial = 0;

  private constructor(host: RunningHost) {
    this.host = host;
    this.#live = { digest: digestOf(MARK), mark: "0" };
    this.#known.set(1, this.#live);
  }

  static async start(): Promise<Killing> {
    const hook = pathToFileURL(join(import.meta.dirname, "kill-steps.ts")).href;
    const host = await RunningHost.start((_, response) => response.end("hello"), partsOf("0", COMPONENT), {
      env: { NODE_OPTIONS: `--import=${hook}` },
    });
    return new Killing(host);
  }

  /** Rejects when what it comes back with is neither what was live before nor what was asked for, or does not work. */
  async kill(what: Killed, moment: Moment): Promise<KillOutcome> {
    const client = this.#client();
    const old = this.#live;
    const { next, ask } = await this.#undertake(what, client);
    const steps = join(this.host.folder, "steps");
    const killAt = join(this.host.folder, "kill-at");
    rmSync(steps, { force: true });
    if ("step" in moment) writeFileSync(killAt, String(moment.step));
    const began = performance.now();
    const asked = ask(client).then(
      () => performance.now() - began,
      (error: unknown) => {
        // What a killed process has in flight breaks off; a refusal is something else.
        assert.equal((error as { code?: unknown }).code, undefined, `${what} was refused: ${String(error)}`);
        return undefined;
      },
    );
    if ("delayMs" in moment) await time(moment.delayMs);
    else await asked;
    this.#end();
    await this.host.end();
    const answeredMs = await asked;
    await client.close();
    const reached = "step" in moment ? readFileSync(steps, "utf8").trimEnd().split("\n") : [];
    rmSync(killAt, { force: true });
    await this.host.again();
    const came = await this.#look(old, next);
    assert.ok(came === "new" || answeredMs === undefined, `${what} was answered, and is gone`);
    await this.#goOn();
    const step = "step" in moment && reached.length === moment.step ? reached.at(-1) : undefined;
    return { step, answeredMs, came };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host[Symbol.asyncDispose]();
  }

  #end(): void {
    try {
      this.host.signal("SIGKILL");
    } catch {
      // It has killed itself.
    }
  }

  #client(): AdminClient {
    return new AdminClient({ kind: "unix", path: join(this.host.folder, "admin.sock") });
  }

  async #undertake(what: Killed, client: AdminClient): Promise<Undertaking> {
    this.#serial += 1;
    const mark = `${this.#serial}`;
    const config = { mark };
    const known = this.#component("known");
    const at = (component: { digest: string }): Served => ({ digest: component.digest, mark });
    switch (what) {
      case "fresh": {
        const fresh = this.#component(`fresh-${mark}`);
        return { next: at(fresh), ask: (it) => it.swap("mark", { component: fresh.path, config }) };
      }
      case "known":
        return { next: at(known), ask: (it) => it.swap("mark", { component: known.path, config }) };
      case "config":
        return { next: at(this.#live), ask: (it) => it.swap("mark", { config }) };
      case "apply": {
        const text = JSON.stringify({ ...this.#file(), ...partsOf(mark, known.path) });
        return { next: at(known), ask: (it) => it.apply(text) };
      }
      case "reload":
        writeFileSync(
          join(this.host.folder, "sluice.yaml"),
          JSON.stringify({ ...this.#file(), ...partsOf(mark, known.path) }),
        );
        return { next: at(known), ask: (it) => it.apply() };
      case "rollback": {
        const generations = await client.generations();
        const target = generations.filter(({ number, state }) => state !== "live" && this.#known.has(number));
        const { number = 0 } = target[this.#serial % target.length] ?? {};
        const next = this.#known.get(number);
        assert.ok(next !== undefined, "there is no generation to go back to");
        return { next, ask: (it) => it.rollback(number) };
      }
      case "promote": {
        const trial = { kind: "shadow", ...TRIAL_DEFAULTS, forMs: 0 } as const;
        await client.swap("mark", { component: known.path, config, trial });
        return { next: at(known), ask: (it) => it.promote("mark") };
      }
    }
  }

  /** Which of the two is live, on both workers and by all accounts. */
  async #look(old: Served, next: Served): Promise<"old" | "new"> {
    const { digest, generation } = await this.#status();
    const marks = new Set<string | undefined>();
    const { hostname, port } = new URL(this.host.url);
    // Those that are open go to one worker each.
    await using stack = new AsyncDisposableStack();
    for (let count = 0; count < 4; count++) {
      const client = stack.use(await RawClient.connect({ host: hostname, port: Number(port) }));
      marks.add((await client.ask(request("/"))).head.one("x-mark"));
    }
    const [mark] = marks;
    const is = (served: Served): boolean =>
      marks.size === 1 && mark === served.mark && digest === served.digest;
    assert.ok(
      is(old) || is(next),
      `it came back with ${digest.slice(0, 12)} and ${[...marks].join(" and ")}, which is neither ${JSON.stringify(old)} nor ${JSON.stringify(next)}`,
    );
    const came = is(next) ? "new" : "old";
    this.#live = came === "new" ? next : old;
    this.#known.set(generation, this.#live);
    return came;
  }

  /** A further change works, and history can be read. */
  async #goOn(): Promise<void> {
    const client = this.#client();
    try {
      const { trial } = await this.#status();
      if (trial) await client.endTrial("mark");
      this.#serial += 1;
      const next = { ...this.#live, mark: `${this.#serial}` };
      const { generation } = await client.swap("mark", { config: { mark: next.mark } });
      this.#live = next;
      this.#known.set(generation, next);
      const numbers = (await client.generations()).map(({ number }) => number);
      assert.ok(numbers.includes(generation), "the history does not have what is live");
      assert.deepEqual(numbers, [...new Set(numbers)], "the history has a generation twice");
    } finally {
      await client.close();
    }
  }

  async #status(): Promise<{ digest: string; generation: number; trial: boolean }> {
    const { filters, generation, workers } = await this.host.status();
    assert.deepEqual(
      workers.map(({ state }) => state),
      ["serving", "serving"],
    );
    const [filter] = filters;
    assert.ok(filter !== undefined);
    return { digest: filter.digest, generation, trial: filter.trial !== null };
  }

  #file(): object {
    return JSON.parse(readFileSync(join(this.host.folder, "sluice.yaml"), "utf8")) as object;
  }

  #component(name: string): { path: string; digest: string } {
    const path = join(this.host.folder, `${name}.wasm`);
    const bytes = variant(MARK, name);
    writeFileSync(path, bytes);
    return { path, digest: digestOf(bytes) };
  }
}

function partsOf(mark: string, component: string): object {
  return {
    workers: 2,
    log: { exchanges: false },
    filters: { mark: { component, config: { mark } } },
    routes: [{ filters: ["mark"], upstream: "echo" }],
  };
}

function digestOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const COMPONENT = join(FILTERS_DIRECTORY, "mark.wasm");
const MARK = readFileSync(COMPONENT);
