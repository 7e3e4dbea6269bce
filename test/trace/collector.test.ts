/** What becomes of spans when their collector is slow, refuses them or is not there: the exchanges never notice. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import type { TestHost } from "../support/test-host.ts";
import { waitFor, within } from "../support/waiting.ts";
import { Collector } from "./collector.ts";

const { use, path, connect } = makeStage();

const folder = mkdtempSync(join(tmpdir(), "sluice-traces-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function ask(host: TestHost, times: number): Promise<void> {
  const client = await connect(host);
  for (let round = 0; round < times; round++) expect((await client.ask(request("/"))).status).toBe(200);
}

function spans(host: TestHost, result: string): Promise<number> {
  return host.metric(`sluice_spans_total{result="${result}"}`);
}

test("a collector that is not there costs spans, which are counted and told of once", async () => {
  const gone = await Collector.start();
  const { origin } = gone;
  await gone[Symbol.asyncDispose]();
  const batch = { spans: 2, delay: "10ms", timeout: "100ms", queue: 16 };
  const { host } = await path(undefined, { traces: { otlp: origin, sample: "100%", batch } });
  await ask(host, 3);
  await waitFor("the loss of all spans", async () => (await spans(host, "failed")) === 6);
  const lines = await host.lines("a loss of spans", ({ msg }) => msg === "spans dropped");
  expect(lines).toEqual([expect.objectContaining({ level: 40, why: "ECONNREFUSED" })]);
  expect(await spans(host, "sent")).toBe(0);
});

test("of a collector that never answers no more spans wait than the queue holds, and the end does not wait for it", async () => {
  const collector = use(await Collector.start());
  collector.status = undefined;
  const batch = { spans: 2, delay: "10ms", timeout: "60s", queue: 16 };
  const { host } = await path(undefined, {
    traces: { otlp: collector.origin, sample: "100%", batch },
  });
  await ask(host, 1);
  await waitFor("a request to the collector", () => collector.requests.length === 1);
  await ask(host, 12);
  // Eight exchanges of two spans each fill it.
  await waitFor("spans that do not fit", async () => (await spans(host, "full")) === 8);
  await within("the end of the host", host.host.drain(), 5_000);
  expect(await spans(host, "failed")).toBeGreaterThanOrEqual(16);
});

test("what a collector refuses is lost, and what comes after that is sent", async () => {
  const collector = use(await Collector.start());
  collector.status = 400;
  const batch = { delay: "10ms" };
  const { host } = await path(undefined, { traces: { otlp: collector.origin, sample: "100%", batch } });
  await ask(host, 1);
  await waitFor("a refusal", async () => (await spans(host, "failed")) === 2);
  collector.status = 200;
  await ask(host, 1);
  await waitFor("what was sent", async () => (await spans(host, "sent")) === 2);
  expect(collector.spans.length).toBe(2);
});

test.each(["drain", "force"] as const)("the last spans are sent when the host ends: %s", async (end) => {
  const collector = use(await Collector.start());
  const traces = { otlp: collector.origin, sample: "100%", batch: { delay: "1m" } };
  const { host } = await path(undefined, { traces });
  await ask(host, 3);
  await host.host[end]();
  expect(collector.spans.length).toBe(6);
});

test("the collector is shown the secrets that it is to see, and nobody else is", async () => {
  const collector = use(await Collector.start());
  const file = join(folder, "token");
  writeFileSync(file, "Bearer sentinel\n");
  const traces = {
    otlp: `${collector.origin}/tenant/traces?x=1`,
    sample: "100%",
    headers: { Authorization: "token" },
    "service-name": "edge",
    batch: { delay: "10ms" },
  };
  const { host } = await path(undefined, { secrets: { token: { file } }, traces });
  await ask(host, 1);
  await collector.exchanges(1);

  const [told] = collector.requests;
  expect(told?.target).toBe("/tenant/traces?x=1");
  expect(told?.headers).toMatchObject({
    authorization: "Bearer sentinel",
    "content-type": "application/x-protobuf",
    "user-agent": expect.stringMatching(/^sluice\//),
  });
  expect(collector.resources[0]).toMatchObject({
    "service.name": "edge",
    "telemetry.sdk.language": "nodejs",
  });
  const shown = JSON.stringify([host.host.config(), host.host.status(), host.log(), collector.spans]);
  expect(shown).toContain("token");
  expect(shown).not.toContain("sentinel");
});
