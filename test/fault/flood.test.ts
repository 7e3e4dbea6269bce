/** A filter that fails, or talks, without end: the log stays readable, and says how much is not in it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { DROP_AND_PROCEED, handmade } from "../contract/handmade.ts";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, type TestHost } from "../support/test-host.ts";
import { waitFor } from "../support/waiting.ts";

const { path, connect } = makeStage();

/** As many requests as a machine that is busy with other things still sends within a few seconds. */
const MANY = 60;

async function ask(host: TestHost, target: string, status: number): Promise<void> {
  const client = await connect(host);
  for (let index = 0; index < MANY; index++) expect((await client.ask(request(target))).status).toBe(status);
}

/** How many lines the log says that it does not have. */
function told(host: TestHost, message: string): number {
  return host
    .log()
    .filter(({ msg }) => msg === message)
    .reduce((sum, line) => sum + Number((line["attributes"] as { count: string }).count), 0);
}

test("failures of one kind are logged so often in a second, and the others counted", async () => {
  const { host } = await path(undefined, {
    filters: { own: { component: component("trap") } },
    routes: [{ upstream: "main", filters: ["own"] }],
    limits: { "failure-lines": 1 },
  });
  await ask(host, "/panic", 500);
  const logged = (): number => host.log().filter(({ msg }) => msg === "filter failed").length;
  await waitFor("all failures to be told", () => {
    const suppressed = told(host, "failures of the filter not logged");
    return suppressed > 0 && logged() + suppressed === MANY;
  });
  expect(logged(), "more than one a second").toBeLessThan(MANY / 2);
  expect(await host.metric('sluice_filter_failures_total{filter="own",reason="trap"}')).toBe(MANY);
});

test("a filter's own lines are logged so often in a second, and the others dropped and counted", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-flood-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = await handmade(join(folder, "own.wasm"), {
    beside: '(data (i32.const 1024) "said")',
    onRequest: `(call $log (i32.const 2) (i32.const 1024) (i32.const 4) (i32.const 0) (i32.const 0)) ${DROP_AND_PROCEED}`,
  });
  const { host } = await path(undefined, {
    filters: { own: { component: file } },
    routes: [{ upstream: "main", filters: ["own"] }],
    limits: { "log-rate": 1 },
  });
  await ask(host, "/", 200);
  const logged = (): number => host.log().filter(({ msg }) => msg === "said").length;
  await waitFor("all lines to be told", () => {
    const dropped = told(host, "lines of the filter not logged");
    return dropped > 0 && logged() + dropped === MANY;
  });
  expect(logged(), "more than one a second").toBeLessThan(MANY / 2);
  expect(await host.metric('sluice_log_lines_dropped_total{reason="limit"}')).toBe(MANY - logged());
});
