import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TRIAL_DEFAULTS, type TrialView } from "../../host/trial/trial.ts";
import { NEW_DIGEST, ScriptedHost, SWAP, TRIAL } from "./scripted-host.ts";

let host: ScriptedHost;

beforeEach(async () => {
  host = await ScriptedHost.start();
  host.answer("POST /v1/filters/keys/swap", SWAP);
});

afterEach(() => host[Symbol.asyncDispose]());

test("a canary returns when it has begun, and says how to go on", async () => {
  const { code, stdout, stderr } = await host.run("swap", "keys", "next.wasm", "--canary", "5%");

  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout.split("\n")).toEqual([
    "keys: canary of 5 %, 111111111111 beside 000000000000, generation 5, 41 ms",
    "see how it goes: sluice trial keys; end it: sluice promote keys, or sluice rollback --trial keys",
    "",
  ]);
  expect(host.asked?.body).toEqual({
    component: join(host.folder, "next.wasm"),
    trial: { kind: "canary", percent: 5, key: { kind: "client" }, ...TRIAL_DEFAULTS },
  });
});

test("every option of a trial goes along", async () => {
  const words =
    "--canary 0.5% --key header:X-User --for 90s --min-exchanges 10 --max-errors 2.5% --max-failures 3 --max-latency 250ms";
  await host.run("swap", "keys", "oci://registry.test/keys:2", ...words.split(" "));

  const limits = { forMs: 90_000, exchangesMin: 10, errorPercentMax: 2.5, failuresMax: 3, addedMsMax: 250 };
  expect(host.asked?.body).toEqual({
    component: "oci://registry.test/keys:2",
    trial: {
      kind: "canary",
      percent: 0.5,
      key: { kind: "header", name: "x-user" },
      ...limits,
      differencePercentMax: 100,
    },
  });
  await host.run("swap", "keys", "next.wasm", "--shadow", "--max-differences", "10%", "--for", "0");
  expect(host.asked?.body).toMatchObject({
    trial: { kind: "shadow", ...TRIAL_DEFAULTS, forMs: 0, differencePercentMax: 10 },
  });
});

test("a swap may be of the config alone, which may be in a file", async () => {
  writeFileSync(join(host.folder, "keys.json"), '{"header":"x-key"}');

  await host.run("swap", "keys", "--config", "@keys.json", "--json");

  expect(host.asked?.body).toEqual({ config: { header: "x-key" } });
  expect((await host.run("swap", "keys", "--config", "@none.json")).stderr).toBe(
    "sluice: --config names none.json, which cannot be read: ENOENT.\n",
  );
});

test.each([
  ["--canary 0%", /It is above 0% and below 100%\.\n$/],
  ["--canary 100%", /It is above 0% and below 100%\.\n$/],
  ["--canary 5", /It is a percentage like 5% or 0\.5%\.\n$/],
  ["--canary 5% --for 10", /It is a duration like 10m, 30s or 250ms, or 0\.\n$/],
  ["--canary 5% --min-exchanges x", /It is a whole number\.\n$/],
  ["--canary 5% --key user", /It is header:NAME, cookie:NAME, client or none\.\n$/],
  ["--canary 5% --shadow", /--canary and --shadow exclude each other\.\n$/],
  ["--canary 5% --max-differences 1%", /^sluice: --max-differences is for --shadow: /],
  ["--shadow --key none", /^sluice: --key is for --canary: /],
  ["--for 10m", /^sluice: --for is for a trial: it goes with --canary or --shadow\.\n$/],
  ["--wait", /^sluice: --wait is for a trial: /],
])("%s is refused before the host is asked", async (words, sentence) => {
  const { code, stderr } = await host.run("swap", "keys", "next.wasm", ...words.split(" "));

  expect(stderr).toMatch(sentence);
  expect(code).toBe(1);
  expect(host.asked).toBeUndefined();
});

describe("--wait", () => {
  /** Each look at the trial sees the next of these; the last one stays. */
  function script(...views: readonly Partial<TrialView>[]): void {
    let at = 0;
    host.answer("GET /v1/filters/keys/trial", () => {
      const view = { ...TRIAL, ...views[Math.min(at, views.length - 1)] };
      at += 1;
      return view;
    });
  }

  test("ends with 0 when the candidate was promoted, and says why", async () => {
    script({}, { state: "promoted", why: "10 minutes within its limits" });

    const { code, stdout } = await host.run("swap", "keys", "next.wasm", "--canary", "5%", "--wait");

    expect(code).toBe(0);
    expect(stdout.split("\n").slice(1)).toEqual(["keys: promoted: 10 minutes within its limits", ""]);
  });

  test("ends with 1 when it was rolled back, and says why", async () => {
    script({ state: "rolled-back", why: "it failed 3 times" });

    const words = ["swap", "keys", "next.wasm", "--shadow", "--wait"];
    const { code, stdout } = await host.run(...words);
    expect(code).toBe(1);
    expect(stdout.split("\n").slice(1)).toEqual(["keys: rolled back: it failed 3 times", ""]);

    const told = await host.run(...words, "--json");
    expect(told.code).toBe(1);
    expect(JSON.parse(told.stdout), "more than one document, or not the trial").toMatchObject({
      state: "rolled-back",
      why: "it failed 3 times",
    });
  });

  test("does not take the next trial for its own", async () => {
    script({}, { startedAt: TRIAL.startedAt + 1, state: "promoted" });

    const { code, stderr } = await host.run("swap", "keys", "next.wasm", "--canary", "5%", "--wait");

    expect(code).toBe(1);
    expect(stderr).toMatch(/^sluice: Another trial of keys has begun meanwhile: /);
  });
});

describe("sluice trial", () => {
  test("shows both sides of a canary, its limits and what it waits for", async () => {
    host.answer("GET /v1/filters/keys/trial", TRIAL);

    const { code, stdout } = await host.run("trial", "keys");

    expect(code).toBe(0);
    const lines = stdout.split("\n");
    expect(lines[0]).toMatch(/^keys: canary of 5 %, by header x-user, for 3 min/);
    expect(lines.slice(1)).toEqual([
      "111111111111 /srv/filters/next.wasm",
      "It is within its limits; promoted in 7 minutes.",
      "promoted after 10m and 100 exchanges; rolled back above 1 % more failed exchanges, 0 failures, 5 ms more time",
      "",
      "VERSION    EXCHANGES  FAILED  SHARE  FAILURES  MEAN TIME",
      "present         1900      19    1 %         0   0.021 ms",
      "candidate        100       0    0 %         0   0.035 ms",
      "",
    ]);
  });

  test("shows how fast the budgets of its routes burn", async () => {
    host.answer("GET /v1/filters/keys/trial", {
      ...TRIAL,
      burns: [
        { route: "api", objective: "availability", burn: 20.4 },
        { route: "api", objective: "latency", burn: null },
      ],
    });

    const { stdout } = await host.run("trial", "keys");

    expect(stdout.split("\n").slice(4, 7)).toEqual([
      "availability of route api has burned its budget 20× as fast as it may for 5 min",
      "latency of route api has had no exchange for 5 min",
      "",
    ]);
  });

  test("shows what a shadow would have done differently, made harmless", async () => {
    const kinds = { decision: 0, status: 0, headers: 2, target: 0, body: 1, trailers: 0, failure: 0 };
    const sample = {
      at: Date.now() - 3_605_000,
      requestId: "r1",
      phase: "request",
      kind: "headers" as const,
    };
    host.answer("GET /v1/filters/keys/trial", {
      ...TRIAL,
      request: { kind: "shadow", ...TRIAL_DEFAULTS, differencePercentMax: 10, forMs: 0 },
      shadow: {
        compared: 100,
        different: 3,
        dropped: 1,
        kinds,
        samples: [{ ...sample, detail: "x-a is set by\u001B[2J one alone" }],
      },
    });

    const { stdout } = await host.run("trial", "keys");

    expect(stdout).toContain("never promoted by itself; rolled back above");
    expect(stdout).toContain(", 10 % differences\n");
    expect(stdout).toContain("\ncompared 100, different 3, dropped 1\n\nDIFFERENCE  COUNT\n");
    expect(stdout).toContain("\nheaders         2\nbody            1\n");
    expect(stdout).toMatch(/\n1 h {2}request {2}headers {5}r1 {7}x-a is set by\u{FFFD}\[2J one alone\n$/u);
  });

  test("--json is the trial as the admin API gives it", async () => {
    host.answer("GET /v1/filters/keys/trial", TRIAL);

    expect(JSON.parse((await host.run("trial", "keys", "--json")).stdout)).toMatchObject({
      digest: NEW_DIGEST,
      state: "running",
    });
  });
});
