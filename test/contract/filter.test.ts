/** What becomes of a filter when it is loaded: a plan, or one sentence that names the filter and says why not. */
import { ClientAddress, TELLS_ALL, TELLS_NOTHING, type TellsClient } from "../../host/client-address.ts";
import { NO_HTTP, NO_SENDER } from "../support/no-http.ts";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ArtifactStore } from "../../host/filter/artifact.ts";
import type { ExchangeFacts, HostServices, Instance } from "../../host/filter/contract.ts";
import { InstanceBudget } from "../../host/filter/budget.ts";
import { Filter, type FilterSettings } from "../../host/filter/filter.ts";
import { Secrets } from "../../host/filter/secrets.ts";
import { CustomMetrics } from "../../host/ops/custom-metrics.ts";
import { SharedStore, spaceOf } from "../../host/store/shared-store.ts";
import { RequestHead } from "../../host/message.ts";
import { WorkerMeter } from "../../host/ops/meter.ts";
import { component } from "../support/test-host.ts";
import { CONFIGURED, type Handmade, handmade } from "./handmade.ts";
import { LIMITS, temporaryStore } from "./twin.ts";

let store: ArtifactStore;
let folder: string;
let close: () => Promise<void>;
let made = 0;

beforeAll(() => {
  ({ store, folder, close } = temporaryStore());
});

afterAll(() => close());

const SETTINGS: FilterSettings = {
  name: "own",
  config: "null",
  onFailure: "closed",
  environment: [],
  granted: ["log", "exchange-facts"],
  limits: {
    ...LIMITS,
    instancesMax: 4,
    waitMs: 10,
    httpInFlightMax: 1,
    httpRequestBytesMax: 1_024,
    httpResponseBytesMax: 1_024,
    httpMs: 1_000,
    instanceIdleMs: 60_000,
    instanceExchangesMax: 1_000,
    instanceBytesMax: 1 << 23,
  },
  quarantine: { failures: 100, of: 100, baseMs: 1_000, maxMs: 1_000 },
};

const HOST: HostServices = {
  filterName: "own",
  tellsClient: TELLS_NOTHING,
  http: NO_HTTP,
  secrets: new Secrets({}),
  metrics: new CustomMetrics().scope(
    "own",
    { metricsMax: 8, metricLabelsMax: 6, metricSeriesMax: 3 },
    String,
  ),
  store: {
    store: new SharedStore(SharedStore.memory(4 * 1_048_576), 1),
    space: spaceOf("keys"),
    rates: spaceOf("rates"),
    remote: undefined,
  },
  logEnabled: () => true,
  handlesLeaked: () => {},
  logDropped: () => {},
  log: () => {},
};

const FACTS: ExchangeFacts = {
  requestId: "id",
  route: "main",
  protocol: "HTTP/1.1",
  tlsVersion: undefined,
  clientAddress: new ClientAddress("::1"),
  http: NO_SENDER,
  metadata: undefined,
  metadataBytes: 0,
};

async function load(
  from: string | Handmade,
  settings: Partial<FilterSettings> = {},
  host: HostServices = HOST,
): Promise<Filter> {
  made += 1;
  const file =
    typeof from === "string" ? component(from) : await handmade(join(folder, `${made}.wasm`), from);
  return Filter.load(await store.load(file, undefined), { ...SETTINGS, ...settings }, host, {
    meter: new WorkerMeter().filter("own"),
    budget: new InstanceBudget(new Int32Array(1), new Int32Array(1), 0, 100),
    quarantine: { quarantined: () => {}, released: () => {} },
    line: () => {},
  });
}

describe("a config", () => {
  test("that the filter refuses: its own sentence", async () => {
    await expect(load("bad_config", { config: '{"how":"error"}' })).rejects.toThrow(
      /^filter own refuses its config: config\.how: this configuration is refused on purpose$/,
    );
  });

  test("at which the filter panics: the panic with its file and line", async () => {
    await expect(load("bad_config", { config: '{"how":"panic"}' })).rejects.toThrow(
      /^filter own failed in configure \(trap\): [^]*filters\/fixtures\/bad-config\/src\/lib\.rs:\d+:\d+:\npanicked in configure/,
    );
  });

  test("that is refused by a filter on jco's path: the same sentence", async () => {
    const sentence =
      '(data (i32.const 1088) "\\01\\00\\00\\00\\00\\04\\00\\00\\06\\00\\00\\00") (data (i32.const 1024) "not so")';
    for (const destructor of [undefined, false] as const) {
      const parts = {
        beside: sentence,
        configure: "(i32.const 1088)",
        ...(destructor === false && { destructor }),
      };
      await expect(load(parts)).rejects.toThrow(/^filter own refuses its config: not so$/);
    }
  });

  test("at which the filter asks for facts of an exchange that there is not: the contract broken", async () => {
    await expect(load({ configure: `(call $request-id (i32.const 2048)) ${CONFIGURED}` })).rejects.toThrow(
      /^filter own failed in configure \(contract\): exchange-facts outside of an exchange$/,
    );
  });

  test("at which the filter traps without a word: what the engine says", async () => {
    await expect(load({ configure: "unreachable" })).rejects.toThrow(
      /^filter own failed in configure \(trap\): unreachable$/,
    );
  });
});

describe("a plan", () => {
  test("that asks for phases is kept", async () => {
    const { plan } = await load({ plan: [1 + 4 + 16] });
    expect(plan).toMatchObject({ request: true, response: true, end: true, requestBody: { kind: "none" } });
  });

  test("that asks for bodies is kept", async () => {
    const { plan } = await load({ plan: [2 + 8, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 1] });
    expect(plan).toEqual({
      request: false,
      requestTrailers: true,
      response: false,
      responseTrailers: true,
      end: false,
      requestBody: { kind: "buffered", bytesMax: 256 },
      responseBody: { kind: "stream" },
    });
  });

  test("that asks for longer bodies than the limit is refused with both numbers", async () => {
    const limits = { ...SETTINGS.limits, bodyBufferedBytesMax: 255 };
    const plan = [1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0];
    await expect(load({ plan }, { limits })).rejects.toThrow(
      /^filter own asks for whole request bodies of up to 256 bytes; limits.body-buffered-bytes is 255$/,
    );
  });

  test("that is none breaks the contract", async () => {
    await expect(load({ plan: [1, 0, 0, 0, 3] })).rejects.toThrow(
      /^filter own failed in configure \(contract\): 3 is no case of a body mode$/,
    );
  });

  test("that differs from one instance to the next is refused where it does", async () => {
    let level = false;
    // The flags come of what the host answers: request, and the response when the level is enabled.
    const configure = `
      (i32.store8 (i32.const 20) (i32.add (i32.const 1) (i32.mul (call $log-enabled (i32.const 0)) (i32.const 4))))
      ${CONFIGURED}`;
    const filter = await load({ configure }, {}, { ...HOST, logEnabled: () => level });
    filter.pool.take();
    level = true;
    expect(() => filter.pool.take()).toThrow(/^filter own: two instances ask for different plans$/);
  });
});

describe("a grant", () => {
  test.each([
    ["log", "exchange-facts"],
    ["exchange-facts", "log"],
  ] as const)("that takes %s away: refused by the import's name", async (name, other) => {
    await expect(load({}, { granted: [other] })).rejects.toThrow(
      new RegExp(`^filter own imports sluice:filter/${name}@0\\.1\\.0, which its grant takes away$`),
    );
  });

  test("that is not given: refused with all names, and with what to add", async () => {
    await expect(
      load("caller", { granted: ["log", "random", "metrics", "store", "rate-limit"] }),
    ).rejects.toThrow(
      "filter own imports sluice:filter/clock@0.1.0 and sluice:filter/secrets@0.1.0, which it is not granted: " +
        "filters.own needs `grant: { clock: true, secrets: [NAME] }`",
    );
  });

  test("does not concern a filter without that import", async () => {
    const filter = await load("mark", { config: '{"mark":"a"}', granted: [] });
    expect(filter.plan.request).toBe(true);
  });

  test("the client's address is none unless it is granted", async () => {
    const name = '(data (i32.const 1024) "x-seen")';
    const onRequest = `
      (call $client-address (i32.const 2048))
      (if (i32.load8_u (i32.const 2048)) (then
        (call $request-set (local.get $head) (i32.const 1024) (i32.const 6) (i32.load (i32.const 2052)) (i32.load (i32.const 2056)))))
      (call $drop-request (local.get $head)) (i32.const 48)`;
    const seen = async (tellsClient: TellsClient): Promise<string[]> => {
      const filter = await load({ beside: name, onRequest }, {}, { ...HOST, tellsClient });
      const head = new RequestHead("GET", "http", "a", "/", []);
      const instance = filter.pool.take() as Instance;
      instance.open(FACTS);
      void instance.onRequest(head);
      return head.fields;
    };
    expect([await seen(TELLS_NOTHING), await seen(TELLS_ALL)]).toEqual([[], ["x-seen", "::1"]]);
  });
});

test("a component that the host's own path does not know serves one exchange after the other", async () => {
  const name = '(data (i32.const 1024) "x-mark")';
  const onRequest = `
    (call $request-append (local.get $head) (i32.const 1024) (i32.const 6) (i32.const 1024) (i32.const 1))
    (call $drop-request (local.get $head)) (i32.const 48)`;
  const filter = await load({ beside: name, onRequest, destructor: false });
  for (let round = 0; round < 3; round++) {
    const head = new RequestHead("GET", "http", "a", "/", ["a", "b"]);
    const instance = filter.pool.take() as Instance;
    instance.open(FACTS);
    expect(instance.onRequest(head)).toBeUndefined();
    instance.close();
    filter.pool.give(instance);
    expect(head.fields).toEqual(["a", "b", "x-mark", "x"]);
  }
});

test("what several filters leave for others is bounded together, in one exchange", async () => {
  const onRequest = `
    (call $set-metadata (i32.const 1024) (i32.const 1) (i32.const 3) (i64.const 1024) (i32.const 10000))
    (call $drop-request (local.get $head)) (i32.const 48)`;
  const filters = [await load({ onRequest }), await load({ onRequest })];
  const run = (facts: ExchangeFacts): unknown[] =>
    filters.map((filter) => {
      const instance = filter.pool.take() as Instance;
      instance.open(facts);
      try {
        return instance.onRequest(new RequestHead("GET", "http", "a", "/", []));
      } catch (error) {
        return (error as Error).message;
      }
    });
  expect(run({ ...FACTS })).toEqual([undefined, "more than 16384 bytes of metadata"]);
});
