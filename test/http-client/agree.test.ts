import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ClientAddress, TELLS_NOTHING } from "../../host/client-address.ts";
import type { Artifact, ArtifactStore } from "../../host/filter/artifact.ts";
import type { ExchangeFacts, HostServices, Instance } from "../../host/filter/contract.ts";
import { DirectInstance } from "../../host/filter/direct.ts";
import {
  type HttpAnswer,
  HttpClient,
  type HttpSender,
  type OwnRequest,
} from "../../host/filter/http-client.ts";
import { importScript, ReferenceInstance } from "../../host/filter/reference.ts";
import { Secrets } from "../../host/filter/secrets.ts";
import { RequestHead } from "../../host/message.ts";
import { CustomMetrics } from "../../host/ops/custom-metrics.ts";
import { SharedStore, spaceOf } from "../../host/store/shared-store.ts";
import { LIMITS, temporaryStore } from "../contract/twin.ts";
import { component } from "../support/test-host.ts";

let store: ArtifactStore;
let close: () => Promise<void>;
let artifact: Artifact;
let reference: (host: HostServices) => Instance;

beforeAll(async () => {
  ({ store, close } = temporaryStore());
  artifact = await store.load(component("asks"), undefined);
  const script = await importScript(artifact);
  reference = (host) => new ReferenceInstance(script, artifact, host, LIMITS, []);
});

afterAll(() => close());

const HOST: HostServices = {
  filterName: "asks",
  tellsClient: TELLS_NOTHING,
  secrets: new Secrets({}),
  http: new HttpClient(["service"], {
    httpInFlightMax: 1,
    httpRequestBytesMax: 65_536,
    httpResponseBytesMax: 65_536,
    editsMax: 100,
    httpMs: 10_000,
  }),
  store: {
    store: new SharedStore(SharedStore.memory(4 * 1_048_576), 1),
    space: spaceOf("nobody"),
    rates: spaceOf("nobody"),
    remote: undefined,
  },
  metrics: new CustomMetrics().scope(
    "asks",
    { metricsMax: 1, metricLabelsMax: 1, metricSeriesMax: 1 },
    (text) => text,
  ),
  handlesLeaked: () => {},
  logEnabled: () => true,
  logDropped: () => {},
  log: () => {},
};

const FACTS: Omit<ExchangeFacts, "http"> = {
  requestId: "id-1",
  route: "main",
  protocol: "HTTP/1.1",
  tlsVersion: undefined,
  clientAddress: new ClientAddress("::1"),
  metadata: undefined,
  metadataBytes: 0,
};

/** Answers what it is told to, and keeps what it was asked. */
class Answering implements HttpSender {
  readonly asked: OwnRequest[] = [];
  readonly #answer: HttpAnswer;

  constructor(answer: HttpAnswer) {
    this.#answer = answer;
  }

  send(request: OwnRequest, _bytesMax: number, done: (answer: HttpAnswer) => void): { cancel(): void } {
    this.asked.push(request);
    setImmediate(() => done(this.#answer));
    return { cancel: () => {} };
  }
}

/** What the filter tells, and what it has asked. */
async function account(
  make: (host: HostServices) => Instance,
  config: object,
  answer: HttpAnswer,
): Promise<object> {
  const instance = make(HOST);
  instance.configure(JSON.stringify({ upstream: "service", phases: ["request"], ...config }));
  const sender = new Answering(answer);
  instance.open({ ...FACTS, http: sender });
  const head = new RequestHead("GET", "http", "a.test", "/", []);
  const came = await Promise.resolve(instance.onRequest(head)).catch((error: Error) => error.message);
  const asked = sender.asked.map((request) => ({
    ...request,
    body: Buffer.from(request.body).toString("latin1"),
  }));
  return { came, fields: head.fields, asked };
}

test("asks.wasm takes the direct path", () => {
  expect(artifact.direct).toBe(true);
});

test("the direct path asks and is answered as the reference is", async () => {
  const text = fc.string({ unit: "grapheme", maxLength: 12 });
  const config = fc.record({
    method: fc.oneof(fc.constantFrom("GET", "POST", "CONNECT", ""), text),
    path: fc.oneof(fc.constantFrom("/", "/a?b", "", "a"), text),
    headers: fc.array(fc.tuple(fc.oneof(fc.constantFrom("a", "X-B", "host"), text), text), { maxLength: 4 }),
    body: text,
    "timeout-ms": fc.integer({ min: 1_000, max: 0xffff_ffff }),
    times: fc.integer({ min: 1, max: 3 }),
  });
  const error = fc.oneof(
    fc
      .constantFrom("not-granted", "busy", "unreachable", "timed-out", "too-large", "cancelled")
      .map((tag) => ({ tag })),
    fc.record({ tag: fc.constantFrom("invalid", "other"), val: text }),
  );
  const incoming = fc.record({
    status: fc.integer({ min: 200, max: 599 }),
    fields: fc
      .array(fc.constantFrom("a", "Bé", "c", ""), { maxLength: 3 })
      .map((names) => names.flatMap((name) => [name, name])),
    body: fc.uint8Array({ maxLength: 40 }),
  });
  const answer = fc.oneof(
    incoming.map((val) => ({ tag: "ok", val })),
    error.map((val) => ({ tag: "err", val })),
  ) as fc.Arbitrary<HttpAnswer>;
  const direct = (host: HostServices): Instance => new DirectInstance(artifact.main, host, LIMITS, []);
  await fc.assert(
    fc.asyncProperty(config, answer, async (settings, given) => {
      expect(await account(direct, settings, given)).toEqual(await account(reference, settings, given));
    }),
    { numRuns: 100 },
  );
});
