import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isDebugSigned } from "../../host/ops/debug-signature.ts";
import type { TimelineView } from "../../host/ops/timeline-view.ts";
import { sluice } from "./command.ts";
import { NEW_DIGEST, OLD_DIGEST, Refused, ScriptedHost } from "./scripted-host.ts";

let host: ScriptedHost;

beforeEach(async () => {
  host = await ScriptedHost.start();
});

afterEach(() => host[Symbol.asyncDispose]());

const WHOLE: TimelineView = {
  requestId: "vZ0kq3mWnB1x1f",
  worker: 2,
  at: Date.UTC(2026, 6, 29, 12, 0, 0, 250),
  durationMs: 41.26,
  route: "api",
  method: "GET",
  path: "/items",
  status: 200,
  requestBytes: 0,
  responseBytes: 2_048,
  generation: 4,
  failure: null,
  repliedBy: null,
  versions: { keys: "candidate" },
  steps: [
    {
      kind: "call",
      filter: "keys",
      digest: OLD_DIGEST,
      phase: "request",
      startMs: 0.09,
      ms: 0.041,
      fuel: 5_120,
      calls: 1,
      decision: "pass",
      reason: null,
      changed: ["+x-consumer", "-x-api-key", "~:path"],
    },
    {
      kind: "try",
      upstream: "items",
      server: "http://127.0.0.1:9000",
      startMs: 0.2,
      headMs: null,
      ms: 1.5,
      status: 0,
      failure: "UPSTREAM_UNREACHABLE",
    },
    {
      kind: "try",
      upstream: "items",
      server: "http://127.0.0.1:9001",
      startMs: 1.8,
      headMs: 38.8,
      ms: 39,
      status: 200,
      failure: null,
    },
    {
      kind: "call",
      filter: "mask",
      digest: NEW_DIGEST,
      phase: "response-body",
      startMs: 39.1,
      ms: 0.6,
      fuel: 90_000,
      calls: 3,
      decision: "replace",
      reason: null,
      changed: [],
    },
  ],
  more: 2,
};

const FAILED: TimelineView = {
  ...WHOLE,
  requestId: "vZ0kq3mWnB1x1g",
  route: null,
  status: 500,
  failure: { code: "FILTER_TRAPPED", detail: "keys: index out\u001B[31m of bounds" },
  versions: null,
  steps: null,
  more: 0,
};

/** Without what only fills columns up. */
const plain = (text: string): string[] => text.split("\n").map((line) => line.replaceAll(/ +/g, " ").trim());

describe("one exchange", () => {
  test("is told with its filters, its servers, what each took and came to, and who answered", async () => {
    host.answer("GET /v1/exchanges/vZ0kq3mWnB1x1f", WHOLE);
    const { code, stdout } = await host.run("trace", "vZ0kq3mWnB1x1f");

    expect(code).toBe(0);
    expect(plain(stdout)).toEqual([
      "exchange vZ0kq3mWnB1x1f",
      "began 2026-07-29T12:00:00.250Z, in worker 2, generation 4",
      "request GET /items, 0 B",
      "route api",
      "answer 200 from items http://127.0.0.1:9001, 2 KiB, 41 ms",
      "versions keys candidate",
      "",
      "AT TOOK WHAT DIGEST CAME TO CHANGED FUEL",
      "0.09 ms 0.041 ms keys request 000000000000 pass +x-consumer -x-api-key ~:path 5120",
      "0.2 ms 1.5 ms → items http://127.0.0.1:9000 – UPSTREAM_UNREACHABLE, no head – –",
      "1.8 ms 39 ms → items http://127.0.0.1:9001 – 200, head after 37 ms – –",
      "39 ms 0.6 ms mask response-body ×3 111111111111 replace – 90000",
      "… and 2 steps more",
      "",
    ]);
    expect(JSON.parse((await host.run("trace", WHOLE.requestId, "--json")).stdout)).toEqual(WHOLE);
  });

  test("is found by its whole field, as it was copied from a response", async () => {
    host.answer("GET /v1/exchanges/vZ0kq3mWnB1x1f", WHOLE);
    const { code, stdout } = await host.run("trace", "X-Request-Id: vZ0kq3mWnB1x1f");
    expect([code, stdout.slice(0, 24)]).toEqual([0, "exchange  vZ0kq3mWnB1x1f"]);
  });

  test("that failed says what its code means, and whose words the rest are, made harmless", async () => {
    host.answer("GET /v1/exchanges/vZ0kq3mWnB1x1g", FAILED);
    const { stdout } = await host.run("trace", FAILED.requestId);
    expect(plain(stdout).slice(3)).toEqual([
      "route none matched",
      "answer 500 from the host itself, 2 KiB, 41 ms",
      "failure FILTER_TRAPPED",
      "A call of a filter panicked, or trapped in another way.",
      "keys: index out\u{FFFD}[31m of bounds",
      "",
      "Its steps were not kept: it was neither sampled (timelines.sample) nor asked for by a debug header.",
      "",
    ]);
  });

  test.each<[expected: string, view: Partial<TimelineView>]>([
    ["200 from the filter keys", { repliedBy: "keys", steps: [] }],
    ["502 from the host itself", { status: 502, failure: { code: "UPSTREAM_UNREACHABLE", detail: "gone" } }],
    ["no head from nobody", { status: 0, steps: null, failure: { code: "CLIENT_GONE", detail: "reset" } }],
    // It broke off within its body: what the client saw is still its answer.
    [
      "200 from items http://127.0.0.1:9001",
      { failure: { code: "UPSTREAM_BROKE_OFF", detail: "the connection broke" } },
    ],
  ])("says who answered: %s", async (expected, view) => {
    host.answer("GET /v1/exchanges/vZ0kq3mWnB1x1f", { ...WHOLE, ...view });
    expect(plain((await host.run("trace", WHOLE.requestId)).stdout)[4]).toBe(
      `answer ${expected}, 2 KiB, 41 ms`,
    );
  });

  test("that is not kept any more is a sentence", async () => {
    const detail = "No exchange old is kept, or not any more.";
    host.answer("GET /v1/exchanges/old", new Refused(404, "EXCHANGE_UNKNOWN", detail));
    const { code, stdout, stderr } = await host.run("trace", "old", "--json");
    expect([code, JSON.parse(stdout), stderr]).toEqual([
      1,
      { code: "EXCHANGE_UNKNOWN", detail },
      `sluice: ${detail}\n`,
    ]);
  });
});

describe("many exchanges", () => {
  test("are a table, newest first as the host gives them", async () => {
    const at = Date.now() - 3_605_000;
    host.answer("GET /v1/exchanges?failed=true&limit=20", [
      { ...FAILED, at },
      { ...WHOLE, at, status: 503, repliedBy: "keys" },
    ]);
    const { code, stdout } = await host.run("trace", "--failed");
    expect(code).toBe(0);
    expect(plain(stdout)).toEqual([
      "AGO ID STATUS TOOK ROUTE REQUEST WHY",
      "1 h vZ0kq3mWnB1x1g 500 41 ms – GET /items FILTER_TRAPPED: keys: index out\u{FFFD}[31m of bounds",
      "1 h vZ0kq3mWnB1x1f 503 41 ms api GET /items the filter keys replied",
      "",
    ]);
  });

  test("are asked for by route, filter and number", async () => {
    host.answer("GET /v1/exchanges?failed=false&limit=3&route=a%26b&filter=keys", [WHOLE]);
    const words = ["trace", "--route", "a&b", "--filter", "keys", "--limit", "3", "--json"];
    expect(JSON.parse((await host.run(...words)).stdout)).toEqual([WHOLE]);
  });

  test.each([
    [["abc", "--failed"], "--failed, --route, --filter and --limit are for the list: give no id with them."],
    [["--for", "1h"], "--for is for --sign: how long the header counts."],
    [["--limit", "501"], "From 1 to 500."],
  ])("%j is no question", async (words, sentence) => {
    const { code, stderr } = await host.run("trace", ...words);
    expect([code, stderr]).toEqual([1, expect.stringContaining(sentence)]);
  });
});

describe("a debug header", () => {
  const KEY = "a key of more than enough bytes";

  function write(timelines: string): void {
    writeFileSync(join(host.folder, "key"), `${KEY}\n`);
    const lines = [
      "listen: [127.0.0.1:0]",
      "secrets: { trace: { file: key } }",
      timelines,
      "upstreams: { echo: { servers: [http://127.0.0.1:9] } }",
      "routes: [{ upstream: echo }]",
    ];
    writeFileSync(join(host.folder, "sluice.yaml"), lines.join("\n"));
  }

  const sign = (...words: string[]) => sluice(["trace", "--sign", ...words], { cwd: host.folder });

  test("is made with the configuration's key, and counts for as long as is said", async () => {
    write("timelines: { debug: trace }");
    const before = Date.now();
    const { code, stdout } = await sign("--for", "10m");
    const [, value = ""] = /^X-Sluice-Debug: (\S+)\n$/.exec(stdout) ?? [];
    expect(code).toBe(0);
    const counts = (ms: number): boolean => isDebugSigned(Buffer.from(KEY), value, before + ms);
    expect([counts(0), counts(599_000 - 1_000), counts(700_000)]).toEqual([true, true, false]);

    const told = JSON.parse((await sign("--json")).stdout) as Record<string, unknown>;
    expect(told).toEqual({
      header: "X-Sluice-Debug",
      value: expect.stringMatching(/^\d+\.[\w-]{43}$/),
      expiresAt: expect.toSatisfy((at: number) => at >= before + 3_600_000),
    });
  });

  test("needs a key, and says where its name belongs", async () => {
    write("timelines: { keep: 10 }");
    const { code, stdout, stderr } = await sign();
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toBe(
      "sluice: sluice.yaml has no timelines.debug, the name of the secret that debug headers are signed with.\n",
    );
  });
});
