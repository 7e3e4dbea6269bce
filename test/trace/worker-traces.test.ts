import { expect, test } from "vitest";
import type { TracesConfig } from "../../host/config/config.ts";
import { RequestHead } from "../../host/message.ts";
import type { TracedEntry } from "../../host/trace/traced-exchange.ts";
import { type TracedMessage, WorkerTraces } from "../../host/trace/worker-traces.ts";
import { ENTRY } from "../ops/exchange-lines.ts";

const CONFIG: TracesConfig = {
  otlp: "http://127.0.0.1:1/",
  sample: 100,
  serviceName: "test",
  headers: [],
  batch: { spansMax: 1, delayMs: 1, queueMax: 1, exportMs: 1 },
};

/** An exchange that has ended, with or without a trace. */
function ended(traces: WorkerTraces): TracedEntry {
  const head = new RequestHead("GET", "http", "sluice.test", "/a?secret", []);
  const request = { head, facts: { authority: "sluice.test" } };
  const timeline = traces.timeline(request, performance.now(), undefined);
  return { ...ENTRY, target: "/a?secret", timeline };
}

test("many exchanges are one message; what was recorded before a change is posted before it", () => {
  const posted: TracedMessage[] = [];
  const traces = new WorkerTraces(3, (message) => posted.push(message));
  traces.ended(ended(traces), "/a");
  expect(posted, "recorded without `traces`").toEqual([]);

  traces.use(CONFIG);
  for (let count = 0; count < 65; count++) traces.ended(ended(traces), "/a");
  expect(posted.map(({ exchanges }) => exchanges.length)).toEqual([64]);
  traces.use(null);
  expect(posted.map(({ exchanges }) => exchanges.length)).toEqual([64, 1]);
  traces.flush();
  expect(posted.length, "a message without anything in it").toBe(2);
  expect(posted[0]?.exchanges[0]).toMatchObject({ worker: 3, path: "/a", pattern: "/a", parentId: null });
  expect(structuredClone(posted), "what cannot be posted to another thread").toEqual(posted);
  expect(JSON.stringify(posted)).not.toContain("secret");
});
