/** Changes of a whole configuration, and the way back. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseConfig } from "../../host/config/parse.ts";
import { Refusal } from "../../host/control/control.ts";
import { InstancePool } from "../../host/filter/pool.ts";
import { Host } from "../../host/host.ts";
import { createLog } from "../../host/ops/log.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { component, startHost, TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

let stack: AsyncDisposableStack;
let folder: string;
let upstream: Upstream;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  folder = mkdtempSync(join(tmpdir(), "sluice-change-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  upstream = stack.use(await Upstream.start());
});

afterEach(() => stack.disposeAsync());

const MARK = component("mark");

/** What was transpiled once need not be again; each configuration file has generations of its own all the same. */
const STORE = mkdtempSync(join(tmpdir(), "sluice-change-store-"));
afterAll(() => rmSync(STORE, { recursive: true }));

interface Parts {
  readonly mark?: string;
  readonly listen?: readonly unknown[];
  readonly servers?: readonly unknown[];
  readonly rest?: object;
}

/** One filter that marks responses, and one upstream. */
function text({
  mark = "one",
  listen = ["127.0.0.1:0"],
  servers = [upstream.origin],
  rest,
}: Parts = {}): string {
  return JSON.stringify({
    listen,
    admin: false,
    workers: 2,
    artifacts: STORE,
    timeouts: { "event-loop-delay": "1m" },
    upstreams: { main: { servers } },
    filters: { mark: { component: MARK, config: { mark } } },
    routes: [{ upstream: "main", filters: ["mark"] }],
    ...rest,
  });
}

const file = (): string => join(folder, "sluice.yaml");

async function start(parts: Parts = {}): Promise<TestHost> {
  writeFileSync(file(), text(parts));
  const config = parseConfig(text(parts), file(), process.env);
  const log = createLog({ level: "info", destination: join(folder, "log") });
  const host = await Host.start(config, log, undefined, file());
  stack.defer(() => host.force());
  return new TestHost(host, folder);
}

async function markOf(host: TestHost): Promise<string | undefined> {
  await using client = await host.connect();
  return (await client.ask(request("/"))).head.one("x-mark");
}

async function refusal(change: Promise<unknown>): Promise<Refusal> {
  const error: unknown = await change.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Refusal);
  return error as Refusal;
}

describe("a configuration that is applied", () => {
  test("is live on every worker when the answer comes, and says what is different", async () => {
    const { host } = await start();
    const result = await host.apply(text({ mark: "two" }));
    expect(result).toMatchObject({ generation: 2, changes: ["filters.mark.config.mark: one → two"] });
    expect(await markOf(new TestHost(host, folder))).toBe("two");
    expect(host.status().file, "the file says otherwise").toMatchObject({ path: file(), differs: true });
    expect((await host.apply(undefined)).changes, "the file is the truth again").toEqual([
      "filters.mark.config.mark: two → one",
    ]);
    expect(host.status().file.differs).toBe(false);
  });

  test("that says what runs already makes no generation", async () => {
    const { host } = await start();
    expect(await host.apply(undefined)).toMatchObject({ generation: 1, changes: [] });
  });

  test("follows its file, and one that is broken leaves all as it is and is told with its place", async () => {
    const host = await start();
    writeFileSync(file(), text({ mark: "two" }));
    await host.lines("the change", ({ msg }) => msg === "configuration applied");
    expect(await markOf(host)).toBe("two");

    writeFileSync(file(), `${text({ mark: "two" }).slice(0, -1)},"colour":1}`);
    const [line] = await host.lines("the refusal", ({ msg }) => msg.startsWith("reload refused: "));
    expect(line?.msg).toContain(`${file()}:1:`);
    expect(host.host.status().file).toMatchObject({
      differs: true,
      problems: [{ line: 1, path: "colour", sentence: expect.stringContaining('got "colour"') }],
    });
    expect(await host.metric("sluice_config_file_valid")).toBe(0);
    expect(await host.metric('sluice_reloads_total{result="refused"}')).toBe(1);
    expect(await markOf(host)).toBe("two");

    writeFileSync(file(), text({ mark: "three" }));
    await host.lines("the next change", ({ msg }) => msg === "configuration applied", 2);
    expect(await host.metric("sluice_config_file_valid")).toBe(1);
    expect(await markOf(host)).toBe("three");
  });

  test.each([
    ["admin", { admin: "127.0.0.1:0" }],
    ["workers", { workers: 3 }],
    ["store", { store: { size: "16MiB" } }],
    ["artifacts", { artifacts: "elsewhere" }],
  ])("with another `%s` is refused with its place and the way to have it", async (option, rest) => {
    const { host } = await start();
    writeFileSync(file(), JSON.stringify({ ...(JSON.parse(text()) as object), ...rest }, null, 1));
    const { code, problems, message } = await refusal(host.apply(undefined));
    expect([code, problems.map(({ path }) => path)]).toEqual(["RESTART_NEEDED", [option]]);
    expect(message).toMatch(
      new RegExp(`sluice\\.yaml:\\d+:2 ${option}: only a restart changes it, or SIGUSR2`),
    );
    expect(host.status().generation).toBe(1);
  });

  test("whose filter is refused changes nothing of the rest either", async () => {
    const { host } = await start();
    const parts = { mark: "two", rest: { filters: { mark: { component: join(folder, "none.wasm") } } } };
    expect((await refusal(host.apply(text(parts)))).code).toBe("ARTIFACT_REFUSED");
    expect(host.status()).toMatchObject({ generation: 1, filters: [{ component: MARK }] });
  });

  test("opens and closes listeners, and keeps those that stay with their connections", async () => {
    const host = await start({ listen: ["127.0.0.1:0"] });
    await using kept = await host.connect();
    await kept.ask(request("/"));
    const [first = ""] = host.host.status().listen;

    await host.host.apply(text({ listen: ["127.0.0.1:0", "[::1]:0"] }));
    const [same, second = ""] = host.host.status().listen;
    expect(same).toBe(first);
    const port = Number(second.slice(second.lastIndexOf(":") + 1));
    await using fresh = await RawClient.connect({ host: "::1", port });
    expect((await fresh.ask(request("/"))).status).toBe(200);
    expect((await kept.ask(request("/"))).status, "a connection of the listener that stays").toBe(200);

    await host.host.apply(text({ listen: ["[::1]:0"] }));
    expect(host.host.status().listen).toEqual([second]);
    await expect(RawClient.connect(host.address)).rejects.toThrow("ECONNREFUSED");
    expect((await fresh.ask(request("/"))).status).toBe(200);
  });

  test("whose address cannot be had is refused, and what was opened for it is closed", async () => {
    const other = stack.use(await startHost({ upstreams: { main: { servers: [upstream.origin] } } }));
    const host = await start();
    const taken = `${other.address.host}:${other.address.port}`;
    const { message } = await refusal(host.host.apply(text({ listen: ["127.0.0.1:0", "192.0.2.1:1"] })));
    expect(message).toContain("EADDRNOTAVAIL");
    expect(taken).not.toBe("");
    expect(host.host.status()).toMatchObject({ generation: 1, listen: { length: 1 } });
    expect(await markOf(host)).toBe("one");
  });

  test("has other limits for the connections that come from then on", async () => {
    const host = await start();
    await host.host.apply(text({ rest: { limits: { "client-target-bytes": 64 } } }));
    await using client = await host.connect();
    expect((await client.ask(request(`/${"a".repeat(64)}`))).status).toBe(414);
  });
});

describe("the way back", () => {
  test("is to the generation before, or to any that is kept, as a new one", async () => {
    const { host } = await start();
    await host.apply(text({ mark: "two" }));
    await host.apply(text({ mark: "three" }));
    expect(await host.rollback(undefined, { by: "ops" })).toMatchObject({
      generation: 4,
      changes: ["filters.mark.config.mark: three → two"],
    });
    await host.rollback(1);
    expect(await markOf(new TestHost(host, folder))).toBe("one");
    const history = await host.generations();
    expect(history.map(({ number, by }) => [number, by])).toEqual([
      [5, "local"],
      [4, "ops"],
      [3, "local"],
      [2, "local"],
      [1, "start"],
    ]);
    expect((await refusal(host.rollback(9))).message).toBe(
      "there is no generation 9 to go back to: kept are 1, 2, 3, 4",
    );
  });

  test("is to the artifact that ran then, whatever lies at its path by now", async () => {
    const own = join(folder, "own.wasm");
    writeFileSync(own, readFileSync(MARK));
    const { host } = await start({
      rest: { filters: { mark: { component: own, config: { mark: "old" } } } },
    });
    const before = host.status().filters[0]?.digest;
    await host.swap("mark", { component: component("headers"), config: {} });
    writeFileSync(own, "nothing of the kind");
    await host.rollback(1);
    expect(host.status().filters[0]).toMatchObject({ digest: before, component: own });
    expect(await markOf(new TestHost(host, folder))).toBe("old");
  });

  test("is not taken when another change came first", async () => {
    const { host } = await start();
    await host.apply(text({ mark: "two" }));
    const { code, message } = await refusal(host.rollback(1, { by: "ops", ifGeneration: 1 }));
    expect(code).toBe("GENERATION_CHANGED");
    expect(message).toBe("generation 2 is live, and the change was meant for 1");
  });

  test("of a hundred changes that were meant for the same generation one is made", async () => {
    const { host } = await start();
    const asked = Array.from({ length: 100 }, (_, at) =>
      host.apply(text({ mark: `v${at}` }), { by: "ops", ifGeneration: 1 }).then(
        () => "made",
        (error: unknown) => (error as Refusal).code,
      ),
    );
    const results = await Promise.all(asked);
    expect(results.filter((result) => result === "made")).toHaveLength(1);
    expect(new Set(results)).toEqual(new Set(["made", "GENERATION_CHANGED"]));
  });
});

describe("the old generation", () => {
  test("is draining while an exchange is on it, and drained when its instances are free", async () => {
    const released = Promise.withResolvers<void>();
    const slow = stack.use(
      await Upstream.start(async () => {
        await released.promise;
        return ok("late");
      }),
    );
    const host = await start({ servers: [slow.origin] });
    await using client = await host.connect();
    client.send(request("/"));
    await slow.arrived(1);
    await host.host.apply(text({ servers: [slow.origin], mark: "two" }));
    const states = async (): Promise<unknown> =>
      (await host.host.generations()).map(({ number, state, exchanges }) => [number, state, exchanges]);
    expect(await states()).toEqual([
      [2, "live", 0],
      [1, "draining", 1],
    ]);
    released.resolve();
    expect((await client.response()).head.one("x-mark")).toBe("one");
    await host.lines("the end", ({ msg }) => msg === "generation drained");
    expect(await states()).toEqual([
      [2, "live", 0],
      [1, "drained", 0],
    ]);
  });

  test("is told to be drained only when its pools hold no instance, and then nothing keeps one", async () => {
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    const references: WeakRef<object>[] = [];
    const make = (): never => {
      const instance = { exchanges: 0, memoryBytes: 1 };
      references.push(new WeakRef(instance));
      return instance as never;
    };
    const pool = new InstancePool(
      make,
      make(),
      { instancesMax: 4, waitMs: 1, instanceIdleMs: 1, instanceExchangesMax: 9, instanceBytesMax: 9 },
      { instances: 0, ended: () => {} },
      { admits: () => true, shut: false, passed: () => {}, failed: () => {}, lent: () => {} } as never,
      { insist: () => {}, claim: () => true, release: () => {}, hasTime: true, spend: () => {} } as never,
      false,
    );
    let taken = pool.take();
    let drained = false;
    const closed = pool.close().then(() => (drained = true));
    await new Promise(setImmediate);
    expect(drained, "an exchange still has an instance").toBe(false);
    pool.give(taken as never);
    taken = undefined;
    await closed;
    await waitFor("the instances to be collected", () => {
      gc();
      return references.every((reference) => reference.deref() === undefined);
    });
  });
});

describe("a server", () => {
  test("that is drained gets no new exchange, and the connections to the others are kept", async () => {
    const two = stack.use(await Upstream.start());
    const servers = [upstream.origin, two.origin];
    const host = await start({ servers });
    await using client = await host.connect();
    const ask = async (count: number): Promise<void> => {
      for (let at = 0; at < count; at++) await client.ask(request("/"));
    };
    await ask(20);
    const connections = two.connections;
    const result = await host.host.drainServer("main", upstream.origin, true);
    expect(result.changes).toEqual([
      expect.stringMatching(/^upstreams\.main\.servers\[.*drained: true added$/),
    ]);
    const before = upstream.arrivals.length;
    await ask(20);
    expect(upstream.arrivals.length).toBe(before);
    expect(two.connections, "a connection to the server that stays was made anew").toBe(connections);
    expect(host.host.status().upstreams).toMatchObject([{ drained: [upstream.origin] }]);
    expect((await refusal(host.host.drainServer("main", two.origin, true))).code).toBe("SERVER_NEEDED");

    await host.host.apply(text({ servers, mark: "two" }));
    expect(host.host.status().upstreams, "a reload forgets it").toMatchObject([
      { drained: [upstream.origin] },
    ]);
    await host.host.drainServer("main", upstream.origin, false);
    await ask(40);
    expect(upstream.arrivals.length).toBeGreaterThan(before);
  });

  test("has another weight at once, and one that nobody knows is refused by its name", async () => {
    const two = stack.use(await Upstream.start());
    const servers = [upstream.origin, two.origin];
    const host = await start({ servers, rest: { upstreams: { main: { servers, balance: "round-robin" } } } });
    await host.host.setWeight("main", two.origin, 100);
    await using client = await host.connect();
    for (let at = 0; at < 60; at++) await client.ask(request("/"));
    expect(two.arrivals.length).toBeGreaterThan(50);
    const { code, message } = await refusal(host.host.setWeight("main", "http://127.0.0.1:1", 2));
    expect([code, message]).toEqual([
      "SERVER_UNKNOWN",
      `the upstream main has no server http://127.0.0.1:1: ${servers.join(", ")}`,
    ]);
  });
});

describe("what would change", () => {
  test("is told without being done, refusals and what is imported more among it", async () => {
    const { host } = await start();
    const differences = await host.diff(text({ mark: "two", rest: { limits: { edits: 7 } } }));
    expect(differences.refusals).toEqual([]);
    expect(differences.differences).toEqual([
      { path: "limits.edits", kind: "changed", from: expect.any(Number), to: 7 },
      { path: "filters.mark.config.mark", kind: "changed", from: "one", to: "two" },
    ]);
    const more = await host.diffSwap("mark", { component: component("wants_store"), config: null });
    expect(more.differences).toContainEqual({
      path: "filters.mark.imports",
      kind: "added",
      to: "sluice:filter/store@0.1.0",
    });
    expect(more.refusals).toEqual([expect.stringContaining("filters.mark needs `grant: { store: true }`")]);
    expect(host.status().generation).toBe(1);
  });

  test("and what runs have nothing in them that may be a secret", async () => {
    const rest = {
      filters: {
        mark: {
          component: MARK,
          config: { mark: "shown", token: "s3cr3t-token" },
          grant: { env: { REGION: "s3cr3t-env" } },
        },
      },
      store: { server: "redis://user:s3cr3t-password@127.0.0.1:1" },
    };
    const { host } = await start();
    const shown = JSON.stringify([
      host.config(),
      await host.diff(text({ rest })),
      (await refusal(host.apply(text({ rest })))).message,
    ]);
    expect(shown).toContain("[redacted]");
    expect(shown).toContain("shown");
    expect(shown).not.toContain("s3cr3t");
  });
});

test("the log's level changes on all threads at once, and a new worker has it, too", async () => {
  const host = await start();
  await host.host.setLogLevel("warn");
  expect(host.host.logLevel).toBe("warn");
  await markOf(host);
  await host.host.setLogLevel("info");
  await markOf(host);
  await host.lines("an exchange", ({ msg }) => msg === "exchange");
  expect(host.log().filter(({ msg }) => msg === "exchange")).toHaveLength(1);
});

test("requests that were refused at the door are kept with the byte, and without what was in them", async () => {
  const host = await start();
  await using client = await host.connect();
  client.send("GET /s3cr3t HTTP/1.1\r\nHost: a\r\nBad Name: s3cr3t\r\n\r\n");
  expect((await client.response()).status).toBe(400);
  const [refused] = await waitFor("the refusal", async () => {
    const found = await host.host.refusedRequests();
    return found.length > 0 && found;
  });
  expect(refused).toMatchObject({ status: 400, detail: expect.stringMatching(/byte \d+ of the head/) });
  expect(JSON.stringify(refused)).not.toMatch(/s3cr3t|127\.0\.0\.1/);
});
