/** Changes of a whole configuration, and the way back. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Refusal } from "../../host/control/control.ts";
import { InstancePool } from "../../host/filter/pool.ts";
import { FilterWork } from "../../host/ops/filter-work.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { component, startHost, TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { MARK, markOf, Place, refusal } from "./changing.ts";

let place: Place;

beforeEach(async () => {
  place = await Place.make();
});

afterEach(() => place[Symbol.asyncDispose]());

describe("a configuration that is applied", () => {
  test("is live on every worker when the answer comes, and says what is different", async () => {
    const { host } = await place.start();
    const result = await host.apply(place.text({ mark: "two" }));
    expect(result).toMatchObject({ generation: 2, changes: ["filters.mark.config.mark: one → two"] });
    expect(await markOf(new TestHost(host, place.folder))).toBe("two");
    expect(host.status().file, "the file says otherwise").toMatchObject({ path: place.file, differs: true });
    expect((await host.apply(undefined)).changes, "the file is the truth again").toEqual([
      "filters.mark.config.mark: two → one",
    ]);
    expect(host.status().file.differs).toBe(false);
  });

  test("that says what runs already makes no generation", async () => {
    const { host } = await place.start();
    expect(await host.apply(undefined)).toMatchObject({ generation: 1, changes: [] });
  });

  test("follows its file, and one that is broken leaves all as it is and is told with its place", async () => {
    const host = await place.start();
    writeFileSync(place.file, place.text({ mark: "two" }));
    await host.lines("the change", ({ msg }) => msg === "configuration applied");
    expect(await markOf(host)).toBe("two");

    writeFileSync(place.file, `${place.text({ mark: "two" }).slice(0, -1)},"colour":1}`);
    const [line] = await host.lines("the refusal", ({ msg }) => msg.startsWith("reload refused: "));
    expect(line?.msg).toContain(`${place.file}:1:`);
    expect(host.host.status().file).toMatchObject({
      differs: true,
      problems: [{ line: 1, path: "colour", sentence: expect.stringContaining('got "colour"') }],
    });
    expect(await host.metric("sluice_config_file_valid")).toBe(0);
    expect(await host.metric('sluice_reloads_total{result="refused"}')).toBe(1);
    expect(await markOf(host)).toBe("two");

    writeFileSync(place.file, place.text({ mark: "three" }));
    await host.lines("the next change", ({ msg }) => msg === "configuration applied", 2);
    expect(await host.metric("sluice_config_file_valid")).toBe(1);
    expect(await markOf(host)).toBe("three");
  });

  test("and was applied before its file was noticed does not take back what has been changed since", async () => {
    const host = await place.start();
    place.write({ mark: "two" });
    await host.host.apply(undefined);
    await host.host.swap("mark", { config: { mark: "three" } });
    await host.lines("the notice", ({ msg, by }) => msg === "configuration applied" && by === "file");
    expect(await markOf(host)).toBe("three");
    expect(host.host.status().file.differs).toBe(true);

    place.write({ mark: "four" });
    await host.lines("the next", ({ msg, by }) => msg === "configuration applied" && by === "file", 2);
    expect(await markOf(host), "a file that says something new counts").toBe("four");
  });

  test.each([
    ["admin", { admin: "127.0.0.1:0" }],
    ["workers", { workers: 3 }],
    ["store", { store: { size: "16MiB" } }],
    ["artifacts", { artifacts: "elsewhere" }],
  ])("with another `%s` is refused with its place and the way to have it", async (option, rest) => {
    const { host } = await place.start();
    writeFileSync(place.file, JSON.stringify({ ...(JSON.parse(place.text()) as object), ...rest }, null, 1));
    const { code, problems, message } = await refusal(host.apply(undefined));
    expect([code, problems.map(({ path }) => path)]).toEqual(["RESTART_NEEDED", [option]]);
    expect(message).toMatch(
      new RegExp(`sluice\\.yaml:\\d+:2 ${option}: only a restart changes it, or SIGUSR2`),
    );
    expect(host.status().generation).toBe(1);
  });

  test("whose filter is refused changes nothing of the rest either", async () => {
    const { host } = await place.start();
    const parts = {
      mark: "two",
      rest: { filters: { mark: { component: join(place.folder, "none.wasm") } } },
    };
    expect((await refusal(host.apply(place.text(parts)))).code).toBe("ARTIFACT_REFUSED");
    expect(host.status()).toMatchObject({ generation: 1, filters: [{ component: MARK }] });
  });

  test("opens and closes listeners, and keeps those that stay with their connections", async () => {
    const host = await place.start({ listen: ["127.0.0.1:0"] });
    await using kept = await host.connect();
    await kept.ask(request("/"));
    const [first = ""] = host.host.status().listen;

    await host.host.apply(place.text({ listen: ["127.0.0.1:0", "[::1]:0"] }));
    const [same, second = ""] = host.host.status().listen;
    expect(same).toBe(first);
    const port = Number(second.slice(second.lastIndexOf(":") + 1));
    await using fresh = await RawClient.connect({ host: "::1", port });
    expect((await fresh.ask(request("/"))).status).toBe(200);
    expect((await kept.ask(request("/"))).status, "a connection of the listener that stays").toBe(200);

    await host.host.apply(place.text({ listen: ["[::1]:0"] }));
    expect(host.host.status().listen).toEqual([second]);
    await expect(RawClient.connect(host.address)).rejects.toThrow("ECONNREFUSED");
    expect((await fresh.ask(request("/"))).status).toBe(200);
  });

  test("whose address cannot be had is refused, and what was opened for it is closed", async () => {
    const other = place.stack.use(
      await startHost({ upstreams: { main: { servers: [place.upstream.origin] } } }),
    );
    const host = await place.start();
    const taken = `${other.address.host}:${other.address.port}`;
    const { message } = await refusal(
      host.host.apply(place.text({ listen: ["127.0.0.1:0", "192.0.2.1:1"] })),
    );
    expect(message).toContain("EADDRNOTAVAIL");
    expect(taken).not.toBe("");
    expect(host.host.status()).toMatchObject({ generation: 1, listen: { length: 1 } });
    expect(await markOf(host)).toBe("one");
  });

  test("has other limits for the connections that come from then on", async () => {
    const host = await place.start();
    await host.host.apply(place.text({ rest: { limits: { "client-target-bytes": 64 } } }));
    await using client = await host.connect();
    expect((await client.ask(request(`/${"a".repeat(64)}`))).status).toBe(414);
  });
});

describe("the way back", () => {
  test("is to the generation before, or to any that is kept, as a new one", async () => {
    const { host } = await place.start();
    await host.apply(place.text({ mark: "two" }));
    await host.apply(place.text({ mark: "three" }));
    expect(await host.rollback(undefined, { by: "ops" })).toMatchObject({
      generation: 4,
      changes: ["filters.mark.config.mark: three → two"],
    });
    await host.rollback(1);
    expect(await markOf(new TestHost(host, place.folder))).toBe("one");
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
    const own = join(place.folder, "own.wasm");
    writeFileSync(own, readFileSync(MARK));
    const { host } = await place.start({
      rest: { filters: { mark: { component: own, config: { mark: "old" } } } },
    });
    const before = host.status().filters[0]?.digest;
    await host.swap("mark", { component: component("headers"), config: {} });
    writeFileSync(own, "nothing of the kind");
    await host.rollback(1);
    expect(host.status().filters[0]).toMatchObject({ digest: before, component: own });
    expect(await markOf(new TestHost(host, place.folder))).toBe("old");
  });

  test("is not taken when another change came first", async () => {
    const { host } = await place.start();
    await host.apply(place.text({ mark: "two" }));
    const { code, message } = await refusal(host.rollback(1, { by: "ops", ifGeneration: 1 }));
    expect(code).toBe("GENERATION_CHANGED");
    expect(message).toBe("generation 2 is live, and the change was meant for 1");
  });

  test("of a hundred changes that were meant for the same generation one is made", async () => {
    const { host } = await place.start();
    const asked = Array.from({ length: 100 }, (_, at) =>
      host.apply(place.text({ mark: `v${at}` }), { by: "ops", ifGeneration: 1 }).then(
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
    const slow = place.stack.use(
      await Upstream.start(async () => {
        await released.promise;
        return ok("late");
      }),
    );
    const host = await place.start({ servers: [slow.origin] });
    await using client = await host.connect();
    client.send(request("/"));
    await slow.arrived(1);
    await host.host.apply(place.text({ servers: [slow.origin], mark: "two" }));
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
      { instances: 0, ended: () => {}, work: new FilterWork(0) },
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
