/** Exchanges that are recorded from a host, and played again without one. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "../../host/config/config.ts";
import { Kit } from "../../host/kit/engine.ts";
import { replaySettings } from "../../host/kit/replay-host.ts";
import { Replay, type ReplayReport } from "../../host/kit/replay.ts";
import { RecordRefused } from "../../host/record/record-pieces.ts";
import { readRecordFile } from "../../host/record/record-reader.ts";
import { sluice } from "../cli/command.ts";
import { request } from "../support/raw-client.ts";
import { component, startProxy, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { COMPILED } from "./kit.ts";
import { fileWith, found, recorded, SENTINELS, telling } from "./recorded.ts";

/** A config whose names speak of a secret is not shown, so that a replay has to be told it. */
const CALLS: Json = { calls: ["clock", { random: 16 }, { secret: "key" }] };

let upstream: Upstream;
let host: TestHost;
let folder: string;
const kit = new Kit(COMPILED);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-replay-"));
  writeFileSync(join(folder, "secret"), SENTINELS.secret);
  upstream = await Upstream.start(({ target }) =>
    ok(`${target.split("?", 1)[0]} ${SENTINELS.body}`, [
      `X-Answer: ${SENTINELS.response}`,
      `Set-Cookie: s=${SENTINELS.cookie}`,
    ]),
  );
  host = await startProxy(upstream, {
    workers: 2,
    secrets: { key: { file: join(folder, "secret") } },
    forwarded: { trusted: ["127.0.0.0/8"] },
    capsules: { folder: join(folder, "capsules") },
    filters: {
      mark: { component: component("mark"), config: { mark: "v1" } },
      bodies: {
        component: component("bodies"),
        config: { request: { take: "stream", act: "raise" }, response: { take: { whole: 65_536 } } },
      },
      caller: {
        component: component("caller"),
        config: CALLS,
        grant: {
          clock: true,
          random: true,
          metrics: true,
          store: true,
          "rate-limit": true,
          secrets: ["key"],
        },
      },
      asks: {
        component: component("asks"),
        config: {
          upstream: "main",
          path: `/asked?key=${SENTINELS.query}`,
          phases: ["request"],
          headers: [["x-own", SENTINELS.header]],
        },
        grant: { http: ["main"] },
      },
    },
    routes: [
      { match: { path: "/asks/*" }, filters: ["asks"], upstream: "main" },
      { match: { path: "/bodies/*" }, filters: ["bodies"], upstream: "main" },
      { match: { path: "/calls/*" }, filters: ["caller"], upstream: "main" },
      { filters: ["mark"], upstream: "main" },
    ],
  });
});

afterAll(async () => {
  await kit.close();
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function ask(...requests: readonly string[]): Promise<void> {
  await using client = await host.connect();
  for (const one of requests) expect((await client.ask(one)).status).toBe(200);
}

async function played(text: string, name: string, config?: Json): Promise<ReplayReport> {
  const file = readRecordFile(text);
  const settings = replaySettings(file.header, config ?? file.header.config);
  const replay = await Replay.load(kit, component(name), file, settings);
  try {
    return await replay.run({ shownMax: 10, progress: () => {} });
  } finally {
    replay.close();
  }
}

describe("a recording", () => {
  test.each([SENTINELS.v4, SENTINELS.v6])(
    "of all that %s sends has nothing of theirs in it",
    async (address) => {
      const query = `?token=${SENTINELS.query}&${SENTINELS.query}&empty=`;
      const texts = [
        await recorded(host, "caller", { exchangesMax: 2, headers: ["x-note", "x-called"] }, () =>
          ask(
            request(`/calls/${address}/${SENTINELS.secret}${query}`, telling(address)),
            request(`/calls/b${query}`, telling(address), "POST", SENTINELS.body),
          ),
        ),
        await recorded(host, "bodies", { exchangesMax: 1 }, () =>
          ask(request(`/bodies/a${query}`, telling(address), "POST", SENTINELS.body)),
        ),
        await recorded(host, "asks", { exchangesMax: 1 }, () =>
          ask(request(`/asks/a${query}`, telling(address))),
        ),
      ];
      for (const text of texts) {
        expect(readRecordFile(text).end).toMatchObject({ dropped: 0, reason: "exchanges" });
        // What a config says under a name that speaks of nothing secret is the operator's to write.
        const exchanges = text.slice(text.indexOf("\n"));
        expect(found(exchanges)).toEqual([]);
        expect(exchanges).toContain("?token=redacted-32");
      }
      expect(texts[0], "an allow-listed value is kept, but for what is nobody's business").toContain(
        "from redacted, knows [secret]",
      );
      expect(texts[0]).toContain("/calls/redacted/[secret]?token=");
    },
  );

  test("has bodies when they are asked for", async () => {
    const text = await recorded(host, "bodies", { exchangesMax: 1, bodies: true }, () =>
      ask(request("/bodies/a", [], "POST", "some words")),
    );
    expect(text).toContain(Buffer.from("some words").toString("base64"));
    expect(await played(text, "bodies")).toMatchObject({ exchanges: 1, different: 0, partly: 0 });
  });

  test("ends after its time, when another generation is live, and when nobody asks for it any more", async () => {
    const short = await recorded(host, "mark", { forMs: 50 }, () => Promise.resolve());
    expect(readRecordFile(short)).toMatchObject({ count: 0, end: { reason: "time", recorded: 0 } });

    const swapped = await recorded(host, "mark", {}, () =>
      host.host.swap("mark", { config: { mark: "v2" } }, { by: "test" }),
    );
    expect(readRecordFile(swapped).end).toMatchObject({ reason: "generation" });
    await host.host.swap("mark", { config: { mark: "v1" } }, { by: "test" });

    for (let count = 0; count < 5; count++) {
      const lines = await host.host.record("mark", {
        forMs: 20_000,
        exchangesMax: 10,
        samplePercent: 100,
        headers: [],
        bodies: false,
      });
      for await (const part of lines) {
        expect(part).toContain('"filter":"mark"');
        break;
      }
    }
    await ask(request("/after"));
  });

  test("is refused when four are under way, and for a filter that is not there", async () => {
    const all = { forMs: 20_000, exchangesMax: 1, samplePercent: 100, headers: [], bodies: false };
    const running = await Promise.all([1, 2, 3, 4].map(() => host.host.record("mark", all)));
    await expect(host.host.record("mark", all)).rejects.toMatchObject({ code: "RECORDING_REFUSED" });
    await expect(host.host.record("nobody", all)).rejects.toMatchObject({ code: "FILTER_UNKNOWN" });
    await ask(request("/a"));
    for (const lines of running) {
      let text = "";
      for await (const part of lines) text += part;
      expect(readRecordFile(text)).toMatchObject({ count: 1, end: { recorded: 1 } });
    }
  });

  test("takes a share of the exchanges", async () => {
    const text = await recorded(host, "mark", { forMs: 1_500, samplePercent: 20 }, () =>
      ask(...Array.from({ length: 200 }, (_, at) => request(`/${at}`))),
    );
    const { count } = readRecordFile(text);
    expect(count).toBeGreaterThan(10);
    expect(count).toBeLessThan(90);
  });

  test("that is cut off, or is none, is said to be so", () => {
    expect(() => readRecordFile("")).toThrow(RecordRefused);
    expect(() => readRecordFile('{"sluice":"recording","form":9}')).toThrow("it has the form 9");
    expect(() => readRecordFile('{"kind":"other"}')).toThrow("neither a recording nor a capsule");
  });
});

describe("a replay", () => {
  test("of the same version is the same: with its clock, its randomness, and what its own requests have got", async () => {
    const calls = await recorded(host, "caller", { exchangesMax: 3, headers: ["x-called"] }, () =>
      ask(request("/calls/a"), request("/calls/b"), request("/calls/c")),
    );
    expect(calls).toContain("still 1");
    expect(await played(calls, "caller", CALLS)).toMatchObject({
      exchanges: 3,
      different: 0,
      uncompared: 0,
      kinds: {},
    });
    const forgotten = calls.replaceAll(/"inputs":\{.*?\},"outcome"/g, '"outcome"');
    expect(await played(forgotten, "caller", CALLS), "nothing else makes it the same").toMatchObject({
      different: 3,
      kinds: { headers: 3 },
    });

    const asked = await recorded(host, "asks", { exchangesMax: 1, headers: ["x-told"], bodies: true }, () =>
      ask(request("/asks/a")),
    );
    expect(await played(asked, "asks")).toMatchObject({ exchanges: 1, different: 0 });
  });

  test("of a version that does something else tells what, and the exit code is 2", async () => {
    const text = await recorded(host, "mark", { exchangesMax: 2, headers: ["x-mark"] }, () =>
      ask(request("/a?q=1"), request("/b")),
    );
    const file = fileWith(host, "mark.jsonl", text);
    const same = await sluice(["replay", file, "--filter", component("mark"), "--artifacts", COMPILED], {
      cwd: host.folder,
    });
    expect([same.code, same.stderr]).toEqual([0, ""]);
    expect(same.stdout).toMatch(/^mark \([0-9a-f]{12}\): 2 exchanges, 2 the same, 0 different/);

    const words = [
      "replay",
      file,
      "--against",
      component("mark"),
      "--config",
      '{"mark":"v2"}',
      "--artifacts",
      COMPILED,
    ];
    const { code, stdout } = await sluice(words, { cwd: host.folder });
    expect(code).toBe(2);
    expect(stdout).toContain("0 the same, 2 different");
    expect(stdout).toContain("headers: 4");
    expect(stdout).toContain(
      "exchange 1, GET /a?q=redacted-1\n  request, headers: x-mark with other values\n    - x-mark: v1\n    + x-mark: v2",
    );

    const { code: again, stdout: json } = await sluice([...words, "--json"], { cwd: host.folder });
    expect([again, JSON.parse(json)]).toMatchObject([
      2,
      { exchanges: 2, different: 2, kinds: { headers: 4 } },
    ]);
  });

  test("of a version that fails, replies or does not load is told", async () => {
    const text = await recorded(host, "mark", { exchangesMax: 1 }, () => ask(request("/panic")));
    expect(await played(text, "trap", {})).toMatchObject({
      different: 1,
      kinds: { failure: 1 },
      differences: [{ message: "request", kind: "failure", detail: "the candidate failed (trap)" }],
    });
    const file = fileWith(host, "broken.jsonl", text);
    const { code, stderr } = await sluice(
      ["replay", file, "--filter", component("trap"), "--artifacts", COMPILED],
      {
        cwd: host.folder,
      },
    );
    expect([code, stderr]).toEqual([1, expect.stringContaining("filter mark refuses its config")]);
    const broken = fileWith(host, "broken.jsonl", text.replace('"kind":"head"', '"kind":"tail"'));
    const second = await sluice(["replay", broken, "--filter", component("mark"), "--artifacts", COMPILED], {
      cwd: host.folder,
    });
    expect([second.code, second.stderr]).toEqual([
      1,
      `sluice: ${broken}: line 2: a step is of the kind "tail"\n`,
    ]);
  });

  test("of 10 000 exchanges takes less than two seconds", async () => {
    const text = await recorded(host, "mark", { exchangesMax: 1 }, () =>
      ask(
        request(
          "/a",
          Array.from({ length: 12 }, (_, at) => `X-Field-${at}: some value of it`),
        ),
      ),
    );
    const [first = "", one = ""] = text.split("\n");
    const file = [first, ...Array.from({ length: 10_000 }, () => one)].join("\n");
    const report = await waitFor("a replay that the machine leaves alone", async () => {
      const found = await played(file, "mark");
      expect(found).toMatchObject({ exchanges: 10_000, different: 0 });
      return found.ms < 2_000 && found;
    });
    expect(report.ms).toBeLessThan(2_000);
  });
});
