/** However much clients vary, there are as many time series as the declarations say. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import type { Scope } from "../../host/ops/metric.ts";
import { METRICS } from "../../host/ops/metrics.ts";
import type { Endpoint } from "../support/raw-client.ts";
import { component, startHost, type TestHost } from "../support/test-host.ts";
import { within } from "../support/waiting.ts";

/** Each request has a method, a host and a path of its own, and the path is a label of the filter's metric. */
const REQUESTS = 102_000;
const SERIES_MAX = 50;
/** Two objectives. */
const SLO = { availability: "99%", latency: { under: "1s", share: "99%" } };
const WORKERS = 2;

test("100 000 distinct paths, methods, hosts and labels of filters leave as many series as METRICS says", {
  timeout: 120_000,
}, async () => {
  await using first = await FastUpstream.start();
  await using second = await FastUpstream.start();
  await using host = await startHost({
    workers: WORKERS,
    limits: { "metric-series": SERIES_MAX },
    upstreams: { main: { servers: [first.origin, second.origin] }, other: { servers: [first.origin] } },
    filters: {
      caller: {
        component: component("caller"),
        config: {
          calls: [{ "measure-path": 0 }],
          metrics: [{ counter: ["paths_total", "By path.", ["path"]] }],
        },
        grant: { metrics: true, store: true, "rate-limit": true, secrets: [], clock: true, random: true },
      },
      mark: { component: component("mark"), config: { mark: "x" } },
    },
    routes: [
      { name: "some", match: { path: "/some/*" }, filters: ["caller", "mark"], upstream: "main", slo: SLO },
      { name: "one", match: { host: "one.test" }, upstream: "other" },
    ],
    log: { exchanges: false },
  });
  await Flood.send(host.address, 0, REQUESTS / 17);
  const early = await seriesOf(host);
  await Flood.send(host.address, REQUESTS / 17, REQUESTS);
  const late = await seriesOf(host);

  const sizes: Readonly<Record<Scope, number>> = {
    host: 1,
    // Two, and `none`.
    route: 3,
    objective: 2,
    filter: 2,
    server: 3,
    worker: WORKERS,
    trial: 0,
    shadow: 0,
  };
  for (const [name, { series }] of Object.entries(METRICS)) {
    const bound = series.most * sizes[series.per];
    const count = late.get(name) ?? 0;
    expect(count, name).toBeGreaterThanOrEqual(series.onceSeen ? 0 : bound);
    expect(count, name).toBeLessThanOrEqual(bound);
  }
  expect(late.get("sluice_filter_custom_paths_total")).toBe(SERIES_MAX + 1);
  expect([...late], "series that only came with more distinct values").toEqual([...early]);
  const declared = new Set<string>([...Object.keys(METRICS), "sluice_filter_custom_paths_total"]);
  expect([...late.keys()].filter((name) => !declared.has(name))).toEqual([]);
  expect(await host.metric('sluice_exchanges_total{route="none",status="404"}')).toBe(REQUESTS / 2);
  expect(await host.metric('sluice_exchanges_total{route="some",status="200"}')).toBe(REQUESTS / 2);
  expect(await host.metric('sluice_filter_custom_paths_total{filter="caller",path="other"}')).toBeGreaterThan(
    REQUESTS / 3,
  );
});

/** How many series each metric has. */
async function seriesOf(host: TestHost): Promise<ReadonlyMap<string, number>> {
  const { body } = await host.host.metrics();
  const counts = new Map<string, number>();
  let name = "";
  for (const line of body.split("\n")) {
    const [, next] = /^# TYPE (\S+) /.exec(line) ?? [];
    if (next !== undefined) {
      name = next;
      counts.set(name, 0);
    } else if (line !== "" && !line.startsWith("#")) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** Requests that go out without waiting for the answers to those before them. */
class Flood {
  static async send(endpoint: Endpoint, from: number, to: number): Promise<void> {
    const share = Math.ceil((to - from) / CONNECTIONS);
    const all = Array.from({ length: CONNECTIONS }, (_, at) =>
      Flood.#connection(endpoint, from + at * share, Math.min(to, from + (at + 1) * share)),
    );
    await within("the answers to all requests", Promise.all(all), 100_000);
  }

  static async #connection(endpoint: Endpoint, from: number, to: number): Promise<void> {
    const socket = connect(endpoint);
    for (let at = from; at < to; at += BATCH) {
      const until = Math.min(to, at + BATCH);
      let batch = "";
      for (let one = at; one < until; one++) batch += requestOf(one);
      socket.write(batch);
      await answers(socket, until - at);
    }
    socket.destroy();
  }
}

function requestOf(at: number): string {
  const where = at % 2 === 0 ? "some" : "nowhere";
  return `M${at} /${where}/${at} HTTP/1.1\r\nHost: h${at}.test\r\n\r\n`;
}

async function answers(socket: Socket, count: number): Promise<void> {
  let text = "";
  const left = (): number => count - (text.split("HTTP/1.1 ").length - 1);
  const done = Promise.withResolvers<void>();
  const more = (data: Buffer): void => {
    text += data.toString("latin1");
    if (left() <= 0) done.resolve();
  };
  const lost = (): void => done.reject(new Error(`the connection ended before ${left()} answers`));
  socket.on("data", more).once("close", lost);
  try {
    await done.promise;
  } finally {
    socket.off("data", more).off("close", lost);
  }
}

/** Answers each head with the same few bytes. */
class FastUpstream implements AsyncDisposable {
  readonly origin: string;
  readonly #server: ReturnType<typeof createServer>;
  readonly #open = new Set<Socket>();

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (socket) => {
      this.#open.add(socket);
      socket.once("close", () => this.#open.delete(socket));
      socket.on("error", () => {});
      // The host sends one request at a time, and all of its head at once.
      socket.on("data", () => socket.write(ANSWER));
    });
  }

  static async start(): Promise<FastUpstream> {
    const server = createServer({ noDelay: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FastUpstream(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const CONNECTIONS = 8;
const BATCH = 64;
