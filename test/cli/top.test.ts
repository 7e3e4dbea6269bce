import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { activityBetween } from "../../host/cli/activity.ts";
import { parseExposition } from "../../host/cli/exposition.ts";
import { bodyOf, headOf, lastOffset, linesOf } from "../../host/cli/top-view.ts";
import { MAIN } from "./command.ts";
import { ScriptedHost, STATUS, withFilter } from "./scripted-host.ts";
import { Terminal } from "./terminal.ts";

/** The metrics of a host that has served so many exchanges. */
function metrics(served: number, failed: number): string {
  return `# HELP sluice_exchanges_total Exchanges.
# TYPE sluice_exchanges_total counter
sluice_exchanges_total{route="api",status="200"} ${served}
sluice_exchanges_total{route="api",status="502"} ${failed}
sluice_exchanges_total{route="none",status="none"} 0
sluice_exchange_duration_seconds_bucket{route="api",le="0.005"} ${served * 0.5}
sluice_exchange_duration_seconds_bucket{route="api",le="0.01"} ${served * 0.9}
sluice_exchange_duration_seconds_bucket{route="api",le="+Inf"} ${served}
sluice_exchanges_in_flight 3
sluice_connections_open 8
sluice_filter_call_duration_seconds_sum{filter="keys",phase="request"} ${served * 0.00002}
sluice_filter_call_duration_seconds_count{filter="keys",phase="request"} ${served}
sluice_filter_call_duration_seconds_sum{filter="keys",phase="end"} 0
sluice_filter_call_duration_seconds_count{filter="keys",phase="end"} ${served}
sluice_filter_failures_total{filter="keys",reason="trap"} ${failed}
sluice_filter_instances{filter="keys"} 5
sluice_server_tries_total{upstream="echo",server="http://127.0.0.1:9000"} ${served}
sluice_server_failures_total{upstream="echo",server="http://127.0.0.1:9000",reason="reset"} ${failed}
sluice_server_requests_in_flight{upstream="echo",server="http://127.0.0.1:9000"} 2
sluice_server_requests_pending{upstream="echo",server="http://127.0.0.1:9000"} 1
sluice_server_connections_open{upstream="echo",server="http://127.0.0.1:9000"} 4
`;
}

const scrape = (at: number, text: string) => ({ at, families: parseExposition(text) });

describe("the activity between two scrapes", () => {
  const activity = activityBetween(scrape(0, metrics(100, 0)), scrape(2_000, metrics(300, 4)));

  test("is what has grown, a second", () => {
    expect(activity).toMatchObject({
      seconds: 2,
      exchangesPerSecond: 102,
      errorsPerSecond: 2,
      exchangesInFlight: 3,
      connections: 8,
    });
    expect(activity.routes[0]).toEqual({
      name: "api",
      exchangesPerSecond: 102,
      errorsPerSecond: 2,
      p50Ms: 5,
      // In the last bucket, whose end is not known.
      p99Ms: 10,
    });
    expect(activity.routes[1]).toMatchObject({
      name: "none",
      exchangesPerSecond: 0,
      p50Ms: null,
      p99Ms: null,
    });
    expect(activity.filters).toEqual([
      { name: "keys", callsPerSecond: 200, meanMs: expect.closeTo(0.01), failuresPerSecond: 2, instances: 5 },
    ]);
    expect(activity.servers).toEqual([
      {
        upstream: "echo",
        server: "http://127.0.0.1:9000",
        triesPerSecond: 100,
        failuresPerSecond: 2,
        inFlight: 2,
        pending: 1,
        connections: 4,
      },
    ]);
  });

  test("a quantile lies in its bucket as if all were evenly spread", () => {
    const buckets = (counts: readonly number[]): string =>
      ["0.1", "0.2", "+Inf"]
        .map((le, at) => `sluice_exchange_duration_seconds_bucket{route="a",le="${le}"} ${counts[at]}\n`)
        .join("");
    const route = `sluice_exchanges_total{route="a",status="200"} 100\n`;
    const found = activityBetween(scrape(0, ""), scrape(1_000, route + buckets([0, 100, 100]))).routes[0];

    expect(found?.p50Ms).toBeCloseTo(150);
    expect(found?.p99Ms).toBeCloseTo(199);
  });

  test("counters that have begun anew, as after an upgrade, have grown from nothing", () => {
    const { exchangesPerSecond } = activityBetween(
      scrape(0, metrics(1_000, 0)),
      scrape(1_000, metrics(30, 0)),
    );
    expect(exchangesPerSecond).toBe(30);
  });

  test("labels are read whatever is in them", () => {
    const families = parseExposition('a{x="q\\"},{=\\\\\\n",y="2"} 1.5e3\na +Inf\n# a 2\n\nnonsense\n');
    expect(families.get("a")).toEqual([
      { labels: { x: 'q"},{=\\\n', y: "2" }, value: 1_500 },
      { labels: {}, value: Number.POSITIVE_INFINITY },
    ]);
    expect(families.size).toBe(1);
  });
});

describe("the view", () => {
  const activity = activityBetween(scrape(0, metrics(100, 0)), scrape(2_000, metrics(300, 4)));

  test("says what there is to say about the host as a whole, and then in tables", () => {
    const status = withFilter({
      quarantined: 1,
      trial: { kind: "shadow", component: "/next.wasm", digest: "" },
    });
    expect(headOf(activity, status, status.startedAt + 3_600_000)).toEqual([
      "sluice 0.1.0, up 1 h, generation 4, 2 of 2 workers serving",
      "102 requests/s, 3 in flight, 2 errors/s, 8 connections",
      "keys has a shadow",
      "keys is quarantined on 1 of 2 workers",
    ]);
    expect(bodyOf(activity, status, "traffic", status.startedAt)).toEqual([
      "ROUTE  REQUESTS/S  ERRORS/S   P50    P99",
      "api           102         2  5 ms  10 ms",
      "none            0         0     –      –",
      "",
      "FILTER  CALLS/S  FAILURES/S     MEAN  INSTANCES",
      "keys        200           2  0.01 ms          5",
      "",
      "UPSTREAM  SERVER                 TRIES/S  FAILURES/S  IN FLIGHT  PENDING  CONNECTIONS",
      "echo      http://127.0.0.1:9000      100           2          2        1            4",
    ]);
  });

  test("rows are ordered by what one asks for, and equals by their names", () => {
    const route = (name: string, perSecond: number, errors: number, ms: number) => ({
      name,
      exchangesPerSecond: perSecond,
      errorsPerSecond: errors,
      p50Ms: ms,
      p99Ms: ms,
    });
    const routes = [route("b", 1, 5, 1), route("a", 1, 0, 2), route("c", 9, 0, 0)];
    const namesBy = (order: Parameters<typeof bodyOf>[2]): string =>
      bodyOf({ ...activity, routes, filters: [], servers: [] }, STATUS, order, STATUS.startedAt)
        .slice(1, 4)
        .map((line) => line[0])
        .join("");

    expect([namesBy("traffic"), namesBy("errors"), namesBy("time"), namesBy("name")]).toEqual([
      "cab",
      "bac",
      "abc",
      "abc",
    ]);
  });

  test("a server that an operator has drained is called so", () => {
    const drained = ["http://127.0.0.1:9000"];
    const status = { ...STATUS, upstreams: STATUS.upstreams.map((one) => ({ ...one, drained })) };

    expect(bodyOf(activity, status, "traffic", status.startedAt).at(-1)).toMatch(
      /^echo {6}http:\/\/127\.0\.0\.1:9000 \(drained\) /,
    );
  });

  test("it fills the screen, whatever the screen's size and the place that is looked at", () => {
    const head = ["one", "two"];
    const body = Array.from({ length: 10 }, (_, at) => `row ${at}`);

    expect(linesOf({ head, body, foot: "foot", rows: 8, offset: 3 })).toEqual([
      "one",
      "two",
      "",
      "row 3",
      "row 4",
      "row 5",
      "row 6",
      "foot",
    ]);
    expect(lastOffset({ head, body, rows: 8 }), "the last row is not at the foot").toBe(6);
    expect(linesOf({ head, body: ["row 0"], foot: "foot", rows: 6, offset: 0 })).toEqual([
      "one",
      "two",
      "",
      "row 0",
      "",
      "foot",
    ]);
    expect(linesOf({ head, body, foot: "foot", rows: 2, offset: 0 })).toEqual(["one", "two"]);
    expect(lastOffset({ head, body: ["row 0"], rows: 60 })).toBe(0);
  });
});

describe("against a host", () => {
  let host: ScriptedHost;
  let served = 0;

  beforeEach(async () => {
    host = await ScriptedHost.start();
    host.answer("GET /metrics", () => {
      served += 100;
      return metrics(served, 0);
    });
  });

  afterEach(() => host[Symbol.asyncDispose]());

  test.each([[["--once"]], [[]]])(
    "without a terminal, or with %j, it prints one table and ends",
    async (words) => {
      const { code, stdout, stderr } = await host.run("top", ...words);

      expect(stderr).toBe("");
      expect(code).toBe(0);
      expect(stdout).toMatch(
        /^sluice 0\.1\.0, up .*\n\d+ requests\/s, 3 in flight, 0 errors\/s, 8 connections\n\nROUTE /,
      );
      expect(stdout).not.toContain("\u001B");
    },
  );

  test("--json is one document", async () => {
    const { stdout } = await host.run("top", "--json");

    expect(JSON.parse(stdout)).toMatchObject({
      generation: 4,
      exchangesInFlight: 3,
      routes: [{ name: "api", p50Ms: 5 }, { name: "none" }],
    });
  });

  test.skipIf(process.platform !== "linux")(
    "on a terminal it goes on until q, and gives the terminal back",
    async () => {
      await using terminal = new Terminal(`${process.execPath} ${MAIN} top --admin ${host.address}`);
      await terminal.shows("requests/s");
      await terminal.shows("sorts by traffic");
      terminal.type("s");
      await terminal.shows("sorts by errors");
      host.answer("GET /v1/status", "gone");
      await terminal.shows("is not the admin API of Sluice");
      terminal.type("q");

      expect(await terminal.end()).toBe(0);
      expect(terminal.text).toMatch(GIVEN_BACK);
    },
  );

  test.skipIf(process.platform !== "linux")(
    "a signal ends it, too, and gives the terminal back",
    async () => {
      // The shell says which process is the command, and `exec` keeps it so.
      const command = `echo pid=$$.; exec ${process.execPath} ${MAIN} top --admin ${host.address}`;
      await using terminal = new Terminal(command);
      await terminal.shows("requests/s");
      process.kill(Number(/pid=(\d+)\./.exec(terminal.text)?.[1]), "SIGTERM");

      expect(await terminal.end()).toBe(0);
      expect(terminal.text).toMatch(GIVEN_BACK);
    },
  );
});

/** The other buffer is entered and, at the end, left; the cursor is shown and lines wrap again. */
// oxlint-disable-next-line no-control-regex -- what a terminal is told are control sequences
const GIVEN_BACK = /\u001B\[\?1049h[\s\S]*\u001B\[\?7h\u001B\[\?25h\u001B\[\?1049l\s*$/;
