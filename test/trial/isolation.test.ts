/** Nothing that a candidate in the shadow does reaches the world, or makes anybody wait. */
import { describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";
import { candidate, counted, SHADOW, seen, shadowed, startTrial, type Tried } from "./tried.ts";

const stage = makeStage();
const start = (tried: Tried): ReturnType<typeof shadowed> => shadowed(stage, tried);

describe("the world", () => {
  const calls = (...list: object[]): object => ({ calls: list });

  test("keeps its store: the candidate has one of its own", async () => {
    const { host, upstream } = await start({
      fixture: "caller",
      present: calls({ add: ["hits", 1, null] }, { take: ["client", 100, 3_600_000, 100, 1] }),
      candidate: calls({ add: ["hits", 1_000, null] }, { take: ["client", 100, 3_600_000, 100, 50] }),
      options: {
        grant: { store: true, "rate-limit": true, clock: true, random: true, metrics: true, secrets: [] },
      },
    });
    const client = await stage.connect(host);
    for (let round = 0; round < 3; round++) await client.ask(request("/"));
    const { kinds } = await seen(host, 3);
    expect(kinds, "the store of the candidate is not its own").toEqual({ headers: 3 });
    await client.ask(request("/"));
    const told = upstream.arrivals.map(({ head }) => head.all("x-called").join());
    expect(told.map((each) => /^Ok\((\d)\)/.exec(each)?.[1])).toEqual(["1", "2", "3", "4"]);
  });

  test("gets none of its requests: those of the present version are answered alike, others by nobody", async () => {
    const asks = (path: string): object => ({ upstream: "main", path, phases: ["request"] });
    const options = { grant: { http: ["main"] } };
    const answer: Answer = ({ target }) => ok(target === "/" ? "" : `told of ${target}`);
    const same = await start({
      fixture: "asks",
      present: asks("/a"),
      candidate: asks("/a"),
      options,
      answer,
    });
    const other = await start({
      fixture: "asks",
      present: asks("/a"),
      candidate: asks("/b"),
      options,
      answer,
    });
    for (const [{ host, upstream }, kinds] of [
      [same, {}],
      [other, { headers: 1 }],
    ] as const) {
      const client = await stage.connect(host);
      await client.ask(request("/"));
      expect((await seen(host, 1)).kinds).toEqual(kinds);
      expect(upstream.arrivals.map(({ target }) => target)).toEqual(["/a", "/"]);
      expect(upstream.arrivals[1]?.head.one("x-told")).toBe("200 told of /a");
    }
  });

  test("waits with no more than the present version, which is over once it has its answer", async () => {
    const config = { upstream: "main", path: "/check" };
    const answer: Answer = ({ target }) => ok("", target === "/check" ? ["x-user: anna"] : []);
    const { host, upstream } = await start({
      fixture: "ext_authz",
      present: { ...config, "to-upstream": ["x-user"] },
      candidate: config,
      options: { grant: { http: ["main"], clock: true } },
      answer,
    });
    const client = await stage.connect(host);
    await client.ask(request("/"));
    expect(upstream.arrivals[1]?.head.one("x-user")).toBe("anna");
    const { details } = await seen(host, 1);
    expect(details).toEqual(["request headers: only the present version leaves x-user"]);
    expect(upstream.arrivals.length, "the candidate's request was sent").toBe(2);
  });

  test("hears of it only in the log, under its own name", async () => {
    const { host } = await start({
      fixture: "bodies",
      present: { name: "b" },
      candidate: { name: "b", request: { head: true }, end: true },
    });
    const client = await stage.connect(host);
    await client.ask(request("/"));
    const [line] = await host.lines("the candidate's line", ({ msg }) => msg === "end");
    expect(line).toMatchObject({ filter: "tried@candidate", attributes: { ending: "Ending::Complete" } });
  });
});

describe("a candidate that", () => {
  test("always fails costs no exchange anything, and is called again and again", async () => {
    const { host } = await start({ fixture: "mark", present: { mark: "m" }, other: "trap", candidate: {} });
    const client = await stage.connect(host);
    for (const target of [
      "/panic",
      "/spin",
      "/hoard",
      "/overflow",
      "/exit",
      "/panic-end",
      "/panic-drop",
      "/",
    ]) {
      const { status, head } = await client.ask(request(target));
      expect([status, head.one("x-mark")]).toEqual([200, "m"]);
    }
    const { kinds, details, failures } = await seen(host, 8);
    expect(failures).toBe(7);
    expect(kinds.failure).toBe(7);
    expect(details).toContain("request failure: the candidate failed (fuel)");
    expect(details).toContain("end failure: the candidate failed (trap)");
    const lines = await host.lines("failures", ({ msg }) => msg === "filter failed", 5);
    expect(new Set(lines.map(({ filter }) => filter))).toEqual(new Set(["tried@candidate"]));
    expect(lines.some(({ stack }) => Array.isArray(stack))).toBe(true);
  });

  test("never returns is ended with its thread, which is counted and replaced; no exchange fails or waits", async () => {
    const { host } = await start({
      fixture: "mark",
      present: { mark: "m" },
      other: "trap",
      candidate: {},
      options: { limits: { fuel: 2_000_000_000 } },
    });
    const client = await stage.connect(host);
    let slowest = 0;
    const ask = async (target: string): Promise<void> => {
      const began = performance.now();
      const { status, head } = await client.ask(request(target));
      slowest = Math.max(slowest, performance.now() - began);
      expect([status, head.one("x-mark")]).toEqual([200, "m"]);
    };
    await ask("/stall");
    // Nobody notices while it loops, and it loops for as long as this takes.
    for (let round = 0; round < 300; round++) await ask("/");
    const trial = await counted(host, "tried", "its failure", ({ candidate: tried }) => tried.failures > 0);
    expect(trial.candidate.failures).toBe(1);
    expect(trial.shadow?.dropped, "copies for a thread that is behind").toBeGreaterThan(0);
    const [lost] = await host.lines("the lost thread", ({ msg }) =>
      msg.startsWith("the thread of shadows ended"),
    );
    expect(lost?.msg).toContain("stood still");
    const before = trial.candidate.exchanges;
    await counted(host, "tried", "the thread's successor", (each) => {
      client.send(request("/"));
      return each.candidate.exchanges > before;
    });
    expect(slowest, "an exchange waited for the shadow").toBeLessThan(STUCK_MS);
  });

  test("refuses its config refuses the generation, and leaves no thread behind", async () => {
    const upstream = stage.use(await Upstream.start());
    const parts = {
      filters: { tried: { component: component("mark"), config: { mark: "old" } } },
      routes: [{ upstream: "main", filters: ["tried"] }],
    };
    const trials = { tried: candidate("mark", { mark: 7 }, SHADOW) };
    await expect(startTrial(upstream, parts, trials)).rejects.toMatchObject({
      code: "CONFIGURE_REFUSED",
      message: expect.stringContaining("filter tried@candidate refuses its config"),
    });
  });
});

describe("memory", () => {
  test("is flat while a shadow cannot keep up: what is behind is dropped and counted", async () => {
    const arrivals: { length: number }[] = [];
    const { host, upstream } = await start({
      fixture: "bodies",
      present: { name: "b", request: { take: { whole: 65_536 } } },
      // Tens of milliseconds of each exchange.
      other: "trap",
      candidate: {},
      // What an upstream has been sent it keeps, for tests that look at it.
      answer: () => {
        for (const kept of arrivals) kept.length = 0;
        return ok("");
      },
    });
    arrivals.push(upstream.arrivals);
    const clients = await Promise.all(Array.from({ length: 4 }, () => stage.connect(host)));
    const body = "a".repeat(50_000);
    const run = async (rounds: number): Promise<number> => {
      await Promise.all(
        clients.map(async (client) => {
          for (let round = 0; round < rounds; round++)
            expect((await client.ask(request("/busy", [], "POST", body))).status).toBe(200);
        }),
      );
      return process.memoryUsage().rss;
    };
    const early = await run(300);
    const late = [await run(300), await run(300), await run(300)];
    const trial = await counted(
      host,
      "tried",
      "all exchanges, of which most were dropped",
      (each) => each.present.exchanges === 4_800 && (each.shadow?.dropped ?? 0) > 2_400,
    );
    expect(trial.shadow?.dropped).toBeLessThan(4_800);
    // The bodies of these three runs are 180 MB, and were copied twice; what is free is given back when it suits the system.
    expect((Math.min(...late) - early) / 1_048_576, "MiB that were not there before").toBeLessThan(120);
  });
});

/** Far less than a thread that loops is given. */
const STUCK_MS = 700;
