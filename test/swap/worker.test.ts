/**
 * A worker that is lost is replaced by one that serves the present generation. No filter can end a worker; here the script
 * that jco has made of one is changed on disk so that it does.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ArtifactStore } from "../../host/filter/artifact.ts";
import { digestOf } from "../../host/filter/component-store.ts";
import { type Handmade, handmade } from "../contract/handmade.ts";
import { type RawClient, request } from "../support/raw-client.ts";
import { component, startProxy, type TestHost } from "../support/test-host.ts";
import { Upstream } from "../support/upstream.ts";
import { waitFor, within } from "../support/waiting.ts";

let stack: AsyncDisposableStack;
let folder: string;
let upstream: Upstream;
let broken: string;
/** The worker that finds this file first takes it away, and breaks. */
let flag: string;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  folder = mkdtempSync(join(tmpdir(), "sluice-worker-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  upstream = stack.use(await Upstream.start());
  flag = join(folder, "flag");
  broken = await breakable();
});

afterEach(() => stack.disposeAsync());

/** A component on jco's path, whose script looks for the flag. */
async function breakable(): Promise<string> {
  // Without a destructor the host's own path does not know it.
  const parts: Handmade = { destructor: false };
  const file = await handmade(join(folder, "breakable.wasm"), parts);
  const store = new ArtifactStore(join(folder, "store"));
  const { linked } = await store.load(file, undefined);
  await store.close();
  const { script } = linked;
  const watching = `
    import { rmSync as takeFlag } from "node:fs";
    setInterval(() => {
      try {
        takeFlag(${JSON.stringify(flag)});
      } catch {
        return;
      }
      throw new Error("broken on purpose");
    }, 5);\n`;
  const text = watching + readFileSync(script, "utf8");
  writeFileSync(script, text);
  // What is not as its record says would be made again.
  const path = join(dirname(script), "artifact.json");
  const record = JSON.parse(readFileSync(path, "utf8")) as { files: Record<string, string> };
  record.files["component.js"] = digestOf(Buffer.from(text));
  writeFileSync(path, JSON.stringify(record));
  return file;
}

async function start(workers: number): Promise<TestHost> {
  return stack.use(
    await startProxy(upstream, {
      workers,
      artifacts: join(folder, "store"),
      filters: {
        mark: { component: component("mark"), config: { mark: "0" } },
        broken: { component: broken },
      },
      routes: [{ upstream: "main", filters: ["mark", "broken"] }],
    }),
  );
}

async function breakOne(): Promise<void> {
  writeFileSync(flag, "");
  await waitFor("a worker to break", () => !existsSync(flag));
}

function ids(host: TestHost): number[] {
  return host.host.status().workers.map(({ id }) => id);
}

function serving(host: TestHost, count: number): Promise<boolean> {
  return waitFor(`${count} serving workers`, () => {
    const { workers } = host.host.status();
    return workers.length === count && workers.every(({ state }) => state === "serving");
  });
}

/** Asks on a new connection until there is an answer: a new worker may have to begin to listen first. */
async function ask(host: TestHost): Promise<string | undefined> {
  return waitFor("an answer", async () => {
    let client: RawClient | undefined;
    try {
      client = await host.connect();
      const { status, head } = await client.ask(request("/"));
      return status === 200 ? (head.one("x-mark") ?? "none") : undefined;
    } catch {
      return undefined;
    } finally {
      client?.destroy();
    }
  });
}

test("the only worker of a host is replaced, on the same port and with the present generation", async () => {
  const host = await start(1);
  expect(host.host.status().filters.map(({ path }) => path)).toEqual(["direct", "reference"]);
  await host.host.swap("mark", { component: component("mark"), config: { mark: "1" } });
  expect(await ask(host)).toBe("1");
  const [first] = ids(host);
  await breakOne();
  await waitFor("another worker", () => ids(host).length === 1 && ids(host)[0] !== first);
  await serving(host, 1);
  expect(await ask(host)).toBe("1");
  const [line] = await host.lines("the loss", ({ msg }) => msg.includes("ended"));
  expect(line).toMatchObject({ level: 50, msg: `worker ${first} ended: broken on purpose` });
  await host.host.swap("mark", { component: component("mark"), config: { mark: "2" } });
  expect(await ask(host)).toBe("2");
});

test("the successor of a lost worker is measured in its place, and the loss is counted", async () => {
  const host = await start(2);
  const loops = async (): Promise<string[]> => {
    const { body } = await host.host.metrics();
    const series = body.matchAll(/^sluice_worker_loop_active_seconds_total\{worker="([^"]*)"\}/gm);
    return Array.from(series, ([, worker = ""]) => worker).toSorted();
  };
  expect(await loops()).toEqual(["1", "2"]);
  const before = ids(host);

  await breakOne();

  await waitFor("another worker", () => ids(host).some((id) => !before.includes(id)));
  await serving(host, 2);
  expect(await host.metric("sluice_worker_restarts_total")).toBe(1);
  expect(await loops()).toEqual(["1", "2"]);
  for (const worker of ["1", "2"]) {
    const looks = `sluice_worker_loop_delay_seconds_count{worker="${worker}"}`;
    await waitFor(`a look at the delay of loop ${worker}`, async () => (await host.metric(looks)) > 0);
  }
});

test("of two workers the other one goes on: its connections and its exchanges notice nothing", async () => {
  const host = await start(2);
  const clients: RawClient[] = [];
  for (let index = 0; index < 16; index++) clients.push(stack.use(await host.connect()));
  for (const client of clients) expect((await client.ask(request("/"))).status).toBe(200);
  const before = ids(host);
  await breakOne();
  await waitFor("the loss", () => ids(host).join() !== before.join());
  const answers = await Promise.all(
    clients.map((client) =>
      within(
        "an answer or an end",
        client
          .ask(request("/"))
          .then(({ status }) => status)
          .catch(() => "gone"),
      ),
    ),
  );
  expect(new Set(answers)).toEqual(new Set([200, "gone"]));
  await serving(host, 2);
  expect(ids(host).filter((id) => before.includes(id)).length).toBe(1);
  for (let index = 0; index < 8; index++) expect(await ask(host)).toBe("0");
});

test("what a lost worker has counted is not lost", async () => {
  const host = await start(1);
  const client = stack.use(await host.connect());
  for (let round = 0; round < 5; round++) await client.ask(request("/"));
  const series = 'sluice_filter_calls_total{filter="mark",phase="request"}';
  expect(await host.metric(series)).toBe(5);
  await breakOne();
  await within("the end of the connection", client.wire.closed);
  await serving(host, 1);
  await ask(host);
  expect(await host.metric(series)).toBeGreaterThan(5);
  expect(await host.metric("sluice_connections_open")).toBeLessThan(2);
});

test("a swap while a worker is lost ends one way or the other, and all workers then serve the same", async () => {
  const host = await start(2);
  let live = "0";
  for (let round = 1; round <= 5; round++) {
    writeFileSync(flag, "");
    const swapped = await host.host
      .swap("mark", { component: component("mark"), config: { mark: String(round) } })
      .then(
        () => true,
        (error: unknown) => {
          expect(error).toMatchObject({ name: "Refusal", code: "HOST_UNAVAILABLE" });
          return false;
        },
      );
    if (swapped) live = String(round);
    await waitFor("the worker to break", () => !existsSync(flag));
    await serving(host, 2);
    for (let index = 0; index < 6; index++) expect(await ask(host)).toBe(live);
  }
});
