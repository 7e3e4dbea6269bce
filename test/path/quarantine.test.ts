import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Instance } from "../../host/filter/contract.ts";
import { Quarantine, type QuarantineLimits } from "../../host/filter/quarantine.ts";
import { handmade } from "../contract/handmade.ts";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, type ConfigParts, type TestHost } from "../support/test-host.ts";
import { ok } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

/** What a quarantine says, with a clock that stands still until it is set. */
class Ward {
  nowMs = 0;
  readonly said: string[] = [];
  readonly it: Quarantine;

  constructor(limits: Partial<QuarantineLimits> = {}) {
    this.it = new Quarantine(
      { failures: 2, of: 5, baseMs: 100, maxMs: 350, ...limits },
      {
        quarantined: (forMs, failures, of) => this.said.push(`${failures} of ${of}: ${forMs}`),
        released: () => this.said.push("released"),
      },
      () => this.nowMs,
    );
  }

  /** Exchanges as they end: `-` well, `x` with a failure. */
  exchanges(outcomes: string): this {
    for (const outcome of outcomes) {
      const instance = some();
      if (!this.it.admits()) this.said.push("refused");
      else {
        this.it.lent(instance);
        if (outcome === "x") this.it.failed(instance);
        else this.it.passed(instance);
      }
    }
    return this;
  }

  at(nowMs: number): this {
    this.nowMs = nowMs;
    return this;
  }
}

/** Nothing is called on it: it is only told from others. */
function some(): Instance {
  return {} as Instance;
}

test.each([
  ["as many failures as are borne", "xx---xx---xx", []],
  ["one failure more than are borne", "xx-x", ["3 of 5: 100"]],
  ["failures that are too far apart", "xx----x----x---xx", []],
  ["failures that the window has only just in it", "x-x-x", ["3 of 5: 100"]],
  ["the next exchange after that", "xxx-", ["3 of 5: 100", "refused"]],
])("of the last exchanges count %s", (_, outcomes, said) => {
  expect(new Ward().exchanges(outcomes).said).toEqual(said);
});

test("as many failures as exchanges are borne where nothing is to be quarantined", () => {
  expect(new Ward({ failures: 5 }).exchanges("x".repeat(50)).said).toEqual([]);
});

test("one exchange probes when the time is over, and opens the filter when it ends well", () => {
  const ward = new Ward().exchanges("xxx").at(99).exchanges("-").at(100);
  const probe = some();
  expect(ward.it.admits()).toBe(true);
  ward.it.lent(probe);
  expect(ward.it.admits(), "a second one at the same time").toBe(false);
  ward.it.passed(some());
  expect(ward.it.shut, "open by an exchange that began before").toBe(true);
  ward.it.passed(probe);
  expect(ward.exchanges("xx---").said).toEqual(["3 of 5: 100", "refused", "released"]);
});

test("a probe that fails doubles the time, up to the longest", () => {
  const ward = new Ward().exchanges("xxx");
  ward.at(100).exchanges("x").at(299).exchanges("-").at(300).exchanges("x").at(650).exchanges("x");
  expect(ward.said).toEqual(["3 of 5: 100", "3 of 5: 200", "refused", "3 of 5: 350", "3 of 5: 350"]);
});

test("an instance that cannot be made is a probe that failed", () => {
  const ward = new Ward().exchanges("xxx").at(100);
  expect(ward.it.admits()).toBe(true);
  ward.it.failed(undefined);
  expect(ward.said).toEqual(["3 of 5: 100", "3 of 5: 200"]);
});

test("a probe that does not end is followed by another", () => {
  const ward = new Ward().exchanges("xxx").at(100);
  expect(ward.it.admits()).toBe(true);
  ward.it.lent(some());
  expect([ward.at(299).it.admits(), ward.at(300).it.admits()]).toEqual([false, true]);
});

test("a filter that fails again soon after it was opened is shut for longer, one that has been well is not", () => {
  const soon = new Ward().exchanges("xxx").at(100).exchanges("-xxx");
  expect(soon.said).toEqual(["3 of 5: 100", "released", "3 of 5: 200"]);
  const later = new Ward().exchanges("xxx").at(100).exchanges("------xxx");
  expect(later.said).toEqual(["3 of 5: 100", "released", "3 of 5: 100"]);
});

const { path, connect } = makeStage();

/** A host whose only filter is quarantined after its third failure in a row, for a time that no test waits for. */
function start(filter: object = {}, parts: ConfigParts = {}): ReturnType<typeof path> {
  const quarantine = { failures: 2, of: 5, base: "1h", max: "1h" };
  const own = { component: component("trap"), quarantine, ...filter };
  return path(({ target }) => ok(target), {
    filters: { own },
    routes: [{ upstream: "main", filters: ["own"] }],
    ...parts,
  });
}

async function ask(host: TestHost, ...targets: string[]): Promise<string[]> {
  const client = await connect(host);
  const answers: string[] = [];
  for (const target of targets) {
    const { status, body } = await client.ask(request(target));
    answers.push(`${status} ${body.toString().trim()}`);
  }
  return answers;
}

test("a quarantined filter is not called: 503, in log, metrics and status", async () => {
  const { host, upstream } = await start();
  const trapped = "500 FILTER_TRAPPED";
  expect(await ask(host, "/panic", "/a", "/panic", "/panic", "/b", "/c")).toEqual([
    trapped,
    "200 /a",
    trapped,
    trapped,
    "503 FILTER_QUARANTINED",
    "503 FILTER_QUARANTINED",
  ]);
  expect(upstream.arrivals.map(({ target }) => target)).toEqual(["/a"]);
  const [line] = await host.lines("the quarantine", ({ msg }) => msg === "filter quarantined");
  expect(line).toMatchObject({
    level: 50,
    filter: "own",
    attributes: { failures: "3 of 5", for_ms: "3600000" },
  });
  expect(await host.metric('sluice_filter_failures_total{filter="own",reason="quarantined"}')).toBe(2);
  expect(await host.metric('sluice_filter_failures_total{filter="own",reason="trap"}')).toBe(3);
  expect(await host.metric('sluice_filter_calls_total{filter="own",phase="request"}')).toBe(4);
  expect(await host.metric('sluice_filter_quarantined{filter="own"}')).toBe(1);
  expect(host.host.status().filters).toMatchObject([{ name: "own", quarantined: 1 }]);
  expect(host.host.readiness().ready).toBe(true);
});

test("a quarantined filter whose failure is open is not called: on without it", async () => {
  const { host, upstream } = await start({ "on-failure": "open" });
  const answers = await ask(host, "/panic", "/panic", "/panic", "/panic", "/b");
  expect(answers).toEqual(["200 /panic", "200 /panic", "200 /panic", "200 /panic", "200 /b"]);
  expect(upstream.arrivals.length).toBe(5);
  expect(await host.metric('sluice_filter_failures_total{filter="own",reason="trap"}')).toBe(3);
  expect(await host.metric('sluice_filter_failures_total{filter="own",reason="quarantined"}')).toBe(2);
});

test("a filter comes out of quarantine by itself, with the first exchange that it serves", async () => {
  const { host } = await start({ quarantine: { failures: 0, of: 5, base: "1ms", max: "20ms" } });
  expect(await ask(host, "/panic")).toEqual(["500 FILTER_TRAPPED"]);
  await waitFor("the release", async () => (await ask(host, "/well"))[0] === "200 /well");
  await host.lines("the release", ({ msg }) => msg === "filter released from quarantine");
  expect(await host.metric('sluice_filter_quarantined{filter="own"}')).toBe(0);
  await waitFor("the status", () => host.host.status().filters[0]?.quarantined === 0);
});

test("a swap ends the quarantine of the filter, also while exchanges of the old one go on", async () => {
  const { host } = await start();
  await ask(host, "/panic", "/panic", "/panic");
  expect(host.host.status().filters[0]?.quarantined).toBe(1);
  await host.host.swap("own", { component: component("trap"), config: null });
  expect(await ask(host, "/a"), "the same filter as before").toEqual(["503 FILTER_QUARANTINED"]);
  await host.host.swap("own", { component: component("mark"), config: { mark: "m" } });
  expect(await ask(host, "/a")).toEqual(["200 /a"]);
  expect(await host.metric('sluice_filter_quarantined{filter="own"}')).toBe(0);
  await waitFor("the status", () => host.host.status().filters[0]?.quarantined === 0);
});

test("a filter of the response that is quarantined answers in the place of the upstream", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-quarantine-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = await handmade(join(folder, "own.wasm"), { plan: [4], onResponse: "unreachable" });
  const { host, upstream } = await start({ component: file });
  expect(await ask(host, "/a", "/b", "/c", "/d")).toEqual([
    ...Array(3).fill("500 FILTER_TRAPPED"),
    "503 FILTER_QUARANTINED",
  ]);
  expect(upstream.arrivals.length).toBe(4);
});
