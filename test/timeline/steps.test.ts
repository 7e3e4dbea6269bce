/** What an exchange's timeline says of the filters and servers that it has met, on both paths to a filter. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TimelineView } from "../../host/ops/timeline-view.ts";
import type { CallStep, TryStep } from "../../host/timeline.ts";
import { post } from "../body/chains.ts";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, type ConfigParts, startHost, type TestHost } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { callByReference } from "./ways.ts";

const { use, path, connect } = makeStage();

/** The only exchange that is kept, once it has ended. */
function kept(host: TestHost): Promise<TimelineView> {
  return waitFor("an exchange that is kept", async () => {
    const [first] = await host.host.exchanges({ failed: false, limit: 10 });
    return first;
  });
}

function callsOf({ steps }: TimelineView): CallStep[] {
  return (steps ?? []).filter((step) => step.kind === "call");
}

function triesOf({ steps }: TimelineView): TryStep[] {
  return (steps ?? []).filter((step) => step.kind === "try");
}

/** `filter phase decision`, and what was changed. */
function told({ filter, phase, decision, reason, changed }: CallStep): string {
  return [filter, phase, reason ?? decision, ...changed].join(" ");
}

const timelines = { sample: "100%" };
const FIXTURES = ["mark", "moved", "trap", "bodies", "probe", "headers"];

describe.each(["direct", "reference"] as const)("filters on the %s path", (way) => {
  let artifacts: string;

  beforeAll(async () => {
    artifacts = mkdtempSync(join(tmpdir(), "sluice-ways-"));
    if (way === "reference") await callByReference(artifacts, FIXTURES);
  });

  afterAll(() => rmSync(artifacts, { recursive: true }));

  async function through(
    filters: Readonly<Record<string, object>>,
    message: string | Buffer,
    answer?: Answer,
  ): Promise<TimelineView> {
    const routes = [{ name: "all", upstream: "main", filters: Object.keys(filters) }];
    const { host } = await path(answer, { filters, routes, timelines, artifacts });
    const status = host.host.status();
    expect([...new Set(status.filters.map((filter) => filter.path))]).toEqual([way]);
    const client = await connect(host);
    // Some end without a whole response.
    await client.ask(message).catch(() => {});
    const view = await kept(host);
    const digests = new Map(status.filters.map(({ name, digest }) => [name, digest]));
    for (const { filter, digest } of callsOf(view)) expect(digest).toBe(digests.get(filter));
    return view;
  }

  test("each call is told with what it has changed, by name and never by value", async () => {
    const view = await through(
      {
        mark: { component: component("mark"), config: { mark: "a-value" } },
        moved: { component: component("moved"), config: { path: "/other", status: 201 } },
        gone: {
          component: component("headers"),
          config: { request: { remove: ["x-old"], set: { "x-twice": "2" } } },
        },
      },
      request("/", ["X-Old: 1", "X-Twice: 1"]),
    );
    expect(callsOf(view).map(told)).toEqual([
      "mark request pass +x-mark",
      "moved request pass ~:path",
      "gone request pass -x-old ~x-twice",
      "moved response pass ~:status",
      "mark response pass +x-mark",
    ]);
    expect(JSON.stringify(view)).not.toContain("a-value");
    expect(view).toMatchObject({
      status: 201,
      method: "GET",
      path: "/",
      route: "all",
      failure: null,
      more: 0,
    });
  });

  test("calls take time and fuel, and begin one after the other within the exchange", async () => {
    const view = await through(
      { mark: { component: component("mark"), config: { mark: "1" } } },
      request("/"),
    );
    let at = 0;
    for (const step of view.steps ?? []) {
      expect(step.startMs).toBeGreaterThanOrEqual(at);
      at = step.startMs;
    }
    for (const call of callsOf(view)) {
      expect([call.fuel, call.ms, call.calls]).toEqual([
        expect.toSatisfy((fuel: number) => fuel > 100),
        expect.toSatisfy((ms: number) => ms > 0),
        1,
      ]);
    }
    expect(at).toBeLessThan(view.durationMs);
  });

  test("a filter that replies is told, and no server was tried", async () => {
    const reply = { component: component("probe"), config: { work: "reply" } };
    const view = await through({ reply }, request("/"));
    expect(view.steps?.map((step) => step.kind)).toEqual(["call"]);
    expect(callsOf(view).map(told)).toEqual(["reply request reply"]);
    expect([view.repliedBy, view.status]).toEqual(["reply", 200]);
  });

  test("a call that fails says why, and shows none of its edits", async () => {
    const view = await through({ trap: { component: component("trap") } }, request("/panic-edited"));
    expect(callsOf(view).map(told)).toContain("trap request trap");
    expect(callsOf(view)[0]?.decision).toBe("fail");
    expect(view.failure).toEqual({ code: "FILTER_TRAPPED", detail: expect.stringMatching(/^trap: /) });
  });

  test("a filter that fails and is left out is told, too", async () => {
    const trap = { component: component("trap"), "on-failure": "open" };
    const view = await through({ trap }, request("/panic"));
    expect(callsOf(view).map(told)).toEqual(["trap request trap"]);
    expect([view.failure, view.status]).toEqual([null, 200]);
  });

  test("chunks that were decided alike are one step with their number", async () => {
    const bodies = (act: string): object => ({
      component: component("bodies"),
      config: { request: { take: "stream", act } },
    });
    const view = await through(
      { raise: bodies("raise"), hold: bodies("hold") },
      post("/", ["ab", "cd", "ef"]),
    );
    const calls = callsOf(view).filter(({ phase }) => phase === "request-body");
    const counted = (filter: string): [decision: string, calls: number][] =>
      calls.filter((call) => call.filter === filter).map((call) => [call.decision, call.calls]);
    // How a body is cut on its way is the system's affair: but all of it comes by, and each step counts what it stands for.
    const [first] = counted("raise");
    expect(first?.[0]).toBe("replace");
    expect(first?.[1]).toBeGreaterThan(0);
    expect(counted("hold").map(([decision]) => decision)).toContain("hold");
  });

  test("a filter that takes a whole body is told with what it put in its place", async () => {
    const whole = {
      component: component("bodies"),
      config: { name: "w", request: { take: { whole: 100 }, act: "raise" } },
    };
    const view = await through({ whole }, request("/", [], "POST", "abc"));
    expect(callsOf(view).map(told)).toEqual(["whole request-body replace +x-body-w"]);
    expect(view.requestBytes).toBe(3);
  });

  test("a filter that breaks the exchange off is told", async () => {
    const reset = { component: component("bodies"), config: { response: { take: "stream", act: "reset" } } };
    const view = await through({ reset }, request("/"));
    expect(callsOf(view).map(told)).toContain("reset response-body reset");
    expect(view.failure?.code).toBe("FILTER_BROKE_OFF");
  });

  test("the call at the end is told, and comes last", async () => {
    const end = { component: component("bodies"), config: { end: true } };
    const view = await through({ end }, request("/"));
    expect(view.steps?.map((step) => (step.kind === "call" ? told(step) : step.kind))).toEqual([
      "try",
      "end end pass",
    ]);
  });

  test("more chunks than anybody reads are counted, and not kept", async () => {
    // What is asked for changes with each chunk, so that no two are one step.
    const obey = { component: component("bodies"), config: { request: { take: "stream", act: "obey" } } };
    const { host } = await path(undefined, {
      filters: { obey },
      routes: [{ upstream: "main", filters: ["obey"] }],
      timelines,
      artifacts,
    });
    const client = await connect(host);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    const word = (at: number): string => (at % 2 === 0 ? "pass" : "drop");
    const metric = 'sluice_filter_calls_total{filter="obey",phase="request-body"}';
    for (let at = 0; at < 80; at++) {
      client.send(`4\r\n${word(at)}\r\n`);
      // One at a time, or the system makes one piece of several.
      await waitFor(`chunk ${at}`, async () => (await host.metric(metric)) > at);
    }
    client.send("0\r\n\r\n");
    await client.response();
    const view = await kept(host);
    expect(view.steps?.length).toBe(64);
    expect(view.more).toBeGreaterThanOrEqual(16);
  });
});

describe("servers", () => {
  /** A host in front of one server for each answer, none listening where there is `"gone"`. */
  async function group(
    answers: readonly (Answer | "gone")[],
    options: object,
    parts: ConfigParts = {},
  ): Promise<{ host: TestHost; origins: string[] }> {
    const origins: string[] = [];
    for (const answer of answers) {
      const upstream = await Upstream.start(answer === "gone" ? undefined : answer);
      origins.push(upstream.origin);
      if (answer === "gone") await upstream[Symbol.asyncDispose]();
      else use(upstream);
    }
    const main = { servers: origins, balance: "round-robin", ...options };
    return { host: use(await startHost({ upstreams: { main }, timelines, ...parts })), origins };
  }

  test("a server's answer is told with its status, its head and its end", async () => {
    const { host, origins } = await group([() => ok("served")], {});
    await (await connect(host)).ask(request("/"));
    const view = await kept(host);
    const [only, ...others] = triesOf(view);
    expect(others).toEqual([]);
    expect(only).toMatchObject({ upstream: "main", server: origins[0], status: 200, failure: null });
    const { startMs = 0, headMs, ms } = only ?? {};
    expect(headMs).toBeGreaterThan(startMs);
    expect(startMs + (ms ?? 0)).toBeGreaterThanOrEqual(headMs ?? Number.POSITIVE_INFINITY);
    expect(view.durationMs).toBeGreaterThanOrEqual(startMs + (ms ?? 0));
  });

  test("each try is told: one that found nobody, and the one after it", async () => {
    const { host, origins } = await group(["gone", () => ok("served")], { retries: { on: ["connect"] } });
    const client = await connect(host);
    await client.ask(request("/"));
    const view = await waitFor("an exchange with two tries", async () => {
      // Whichever server has the first turn.
      await client.ask(request("/"));
      const all = await host.host.exchanges({ failed: false, limit: 10 });
      return all.find((one) => triesOf(one).length === 2);
    });
    expect(triesOf(view).map(({ server, status, failure }) => [server, status, failure])).toEqual([
      [origins[0], 0, "UPSTREAM_UNREACHABLE"],
      [origins[1], 200, null],
    ]);
    expect(triesOf(view)[0]?.headMs).toBeNull();
    expect([view.status, view.failure]).toEqual([200, null]);
  });

  test("an answer that was taken for a failure is told with its status", async () => {
    const busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";
    const { host } = await group([() => busy, () => busy], { retries: { on: [503], attempts: 1 } });
    await (await connect(host)).ask(request("/"));
    const view = await kept(host);
    expect(triesOf(view).map(({ status, failure }) => [status, failure])).toEqual([
      [503, null],
      [503, null],
    ]);
  });

  test("a server that breaks off in its body is told with status and failure", async () => {
    const half: Answer = ({ socket }) => {
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    };
    const { host } = await group([half], {});
    const client = await connect(host);
    client.send(request("/"));
    await client.close();
    const view = await kept(host);
    expect(triesOf(view)).toMatchObject([{ status: 200, failure: "UPSTREAM_BROKE_OFF" }]);
    expect(view.failure?.code).toBe("UPSTREAM_BROKE_OFF");
  });

  test("a client that goes away ends the try, which has no failure of its own", async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<void>();
    const { host } = await group([() => resolve()], {});
    const client = await connect(host);
    client.send(request("/"));
    await arrived;
    client.reset();
    const view = await kept(host);
    expect(view).toMatchObject({ status: 0, failure: { code: "CLIENT_GONE" } });
    expect(triesOf(view)).toMatchObject([{ status: 0, headMs: null, failure: null }]);
    expect(triesOf(view)[0]?.ms).toBeGreaterThan(0);
  });

  test("a tunnel is told by its 101, and the exchange lasts as long as it does", async () => {
    const { host } = await group(
      [
        ({ socket }) => {
          socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: own\r\n\r\n");
        },
      ],
      {},
    );
    const client = await connect(host);
    client.send(request("/", ["Connection: upgrade", "Upgrade: own"]));
    expect((await client.head()).startLine).toMatch(/101/);
    client.send("within");
    client.wire.socket.end();
    const view = await kept(host);
    const [only] = triesOf(view);
    expect([view.status, only?.status, only?.failure, view.requestBytes]).toEqual([101, 101, null, 6]);
    expect(view.durationMs).toBeGreaterThan((only?.startMs ?? 0) + (only?.ms ?? Number.POSITIVE_INFINITY));
  });

  test("a request that no route takes has no steps", async () => {
    const { host } = await group(
      [() => ok("served")],
      {},
      {
        routes: [{ match: { path: "/here" }, upstream: "main" }],
      },
    );
    await (await connect(host)).ask(request("/elsewhere?token=hidden"));
    const view = await kept(host);
    expect(view).toMatchObject({ route: null, status: 404, path: "/elsewhere", steps: [] });
    expect(view.failure?.code).toBe("ROUTE_NOT_FOUND");
  });
});
