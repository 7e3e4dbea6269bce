import { describe, expect, test } from "vitest";
import { Failure } from "../../host/failure.ts";
import type { MetadataValue } from "../../host/filter/contract.ts";
import { DECISION } from "../../host/ops/filter-work.ts";
import { PHASE } from "../../host/ops/meter.ts";
import { Timeline } from "../../host/timeline.ts";
import { ENTRY, KEY, lines, logOf, written } from "./exchange-lines.ts";

describe("a choice of exchanges", () => {
  const many = Array.from({ length: 2_000 }, (_, index) => ({ ...ENTRY, requestId: `id ${index}` }));

  test("keeps a share of them, the same ones whenever it is asked, and all that went wrong", () => {
    const exchanges = { samplePercent: 10, only: null };
    const kept = lines(many, { exchanges });
    expect(kept.length).toBeGreaterThan(140);
    expect(kept.length).toBeLessThan(260);
    expect(ids(lines(many, { exchanges }))).toEqual(ids(kept));
    expect(
      lines(
        many.map((entry) => ({ ...entry, status: 502 })),
        { exchanges },
      ),
    ).toHaveLength(2_000);
    const gone = { failure: new Failure("CLIENT_GONE", "") };
    expect(
      lines(
        many.map((entry) => ({ ...entry, ...gone })),
        { exchanges },
      ),
    ).toHaveLength(2_000);
  });

  test("tells at the beginning of an exchange whether its steps will be wanted", () => {
    const exchanges = { samplePercent: 10, only: null };
    const log = logOf([], { exchanges });
    const wanted = many.filter(({ requestId }) => log.wantsSteps(requestId));
    expect(wanted.map(({ requestId }) => requestId)).toEqual(ids(lines(many, { exchanges })));
    expect(logOf([], { exchanges, receipts: false }).wantsSteps("id 1")).toBe(false);
    expect(logOf([], { exchanges: null }).wantsSteps("id 1")).toBe(false);
  });

  test.each([
    [{ status: ["4xx"] }, [404]],
    [{ status: ["404", "301"] }, [301, 404]],
    [{ routes: ["api"] }, [200, 301, 404]],
    [{ routes: ["other"] }, []],
    [{ slowerThanMs: 10 }, [404]],
    [{ status: ["3xx"], slowerThanMs: 10 }, []],
  ])("with only %j keeps %j, and 500", (part, statuses) => {
    const only = { status: null, routes: null, slowerThanMs: null, ...part };
    const entries = [200, 301, 404, 500].map((status) => ({
      ...ENTRY,
      status,
      durationMs: status === 404 ? 10.1 : 10,
    }));
    const kept = lines(entries, { exchanges: { samplePercent: 100, only } });
    expect(kept.map((line) => line["http.response.status_code"])).toEqual([...statuses, 500]);
  });
});

describe("what is somebody's", () => {
  test("header fields are logged that are on the list, as often as they are there, and without secrets", () => {
    const [line] = lines([ENTRY], { headers: ["user-agent", "server", "x-none"] }, { secret: "curl" });
    expect(line).toMatchObject({
      "http.request.header.user-agent": ["[secret]/8"],
      "http.response.header.server": ["one", "two"],
    });
    expect(JSON.stringify(line)).not.toMatch(/sentinel|x-none/);
  });

  test("of a query there are the names, where that is configured", () => {
    const target = "/a?token=secret&secret&=secret&a=secret=secret#secret";
    expect(lines([{ ...ENTRY, target }], { query: "names" })[0]?.["url.query"]).toBe(
      "token=REDACTED&REDACTED&=REDACTED&a=REDACTED",
    );
    expect(lines([{ ...ENTRY, target: "/a?" }], { query: "names" })[0]).not.toHaveProperty(["url.query"]);
  });

  test("the address is there in the form that is configured, and in no text of others", () => {
    const metadata = new Map<string, MetadataValue>([
      ["who 203.0.113.7", { tag: "text", val: "203.0.113.7!" }],
    ]);
    const failure = new Failure("HOST_BROKE", "203.0.113.7 is odd");
    const entry = { ...ENTRY, metadata, failure, requestFields: ["Referer", "http://203.0.113.7/"] };
    const told = (form: "drop" | "truncate" | "keyed-hash"): Record<string, unknown> => {
      const [line = {}] = lines([entry], { headers: ["referer"] }, { form });
      expect(JSON.stringify(line)).not.toContain("203.0.113.7");
      return line;
    };
    expect(told("drop")).not.toHaveProperty(["client.address"]);
    expect(told("truncate")["client.address"]).toBe("203.0.113.0/24");
    expect(told("keyed-hash")).toMatchObject({
      "client.address": KEY.hash("203.0.113.7"),
      "http.request.header.referer": ["http://redacted/"],
      "sluice.metadata": { "who redacted": "redacted!" },
      "sluice.detail": "redacted is odd",
    });
  });
});

describe("receipts", () => {
  test("tell what each filter took, decided and changed", () => {
    const timeline = new Timeline(0);
    const keys = { name: "keys", digest: "0123456789abcdef" };
    timeline.called(keys, PHASE.request, 1, 0.01234, 512, DECISION.pass, null, ["+x-user", "-cookie"]);
    timeline.tries("main", "http://127.0.0.1:1");
    timeline.called(keys, PHASE["response-body"], 2, 1, 10, DECISION.pass, null, []);
    timeline.called(keys, PHASE["response-body"], 3, 1, 10, DECISION.pass, null, []);
    timeline.called(keys, PHASE.response, 4, 1, 10, DECISION.fail, "trap", []);
    const call = { filter: "keys", digest: "0123456789ab" };
    expect(written({ ...ENTRY, timeline })["sluice.filters"]).toEqual([
      { ...call, phase: "request", ms: 0.012, fuel: 512, decision: "pass", changed: ["+x-user", "-cookie"] },
      { ...call, phase: "response-body", ms: 2, fuel: 20, decision: "pass", calls: 2 },
      { ...call, phase: "response", ms: 1, fuel: 10, decision: "fail", reason: "trap" },
    ]);
    expect(lines([{ ...ENTRY, timeline }], { receipts: false })[0]).not.toHaveProperty(["sluice.filters"]);
    expect(written({ ...ENTRY, timeline: new Timeline(0) })).not.toHaveProperty(["sluice.filters"]);
  });

  test("leave a line of bounded length, whatever filters do", () => {
    const timeline = new Timeline(0);
    const names = Array.from({ length: 1_000 }, (_, index) => `+${"n".repeat(1_000)}${index}`);
    for (let at = 0; at < 100; at++)
      timeline.called({ name: `f${at}`, digest: "d" }, PHASE.request, 0, 0, 0, DECISION.pass, null, names);
    const line = written({ ...ENTRY, timeline });
    expect(JSON.stringify(line).length).toBeLessThan(10_000);
    expect((line["sluice.filters"] as unknown[]).length + (line["sluice.filters_left_out"] as number)).toBe(
      100,
    );
  });
});

function ids(logged: readonly Record<string, unknown>[]): unknown[] {
  return logged.map((line) => line["request_id"]);
}
