/** A filter that breaks a rule of the contract: its call fails as a whole, and nothing of it reaches anybody. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { BREAKS } from "../support/fixture.ts";
import { request } from "../support/raw-client.ts";
import { component, startProxy, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";

/** What the log says of each. */
const SAYINGS: Readonly<Record<string, RegExp>> = {
  "value-crlf": /^set-header: the value of "x-a" has a control byte/,
  "value-nul": /^append-header: the value of "x-a" has a control byte/,
  "name-space": /^set-header: "x a" is no field name/,
  "name-empty": /^set-header: "" is no field name/,
  "name-pseudo": /^set-header: ":authority" is no field name/,
  "append-connection": /^append-header: "Connection" frames or routes the message/,
  "set-content-length": /^set-header: "content-length" frames or routes the message/,
  "set-transfer-encoding": /^set-header: "transfer-encoding" frames or routes the message/,
  "set-host": /^set-header: "host" frames or routes the message/,
  "remove-host": /^remove-header: "Host" frames or routes the message/,
  "authority-empty": /^set-authority: "" is no host\[:port\]/,
  "authority-path": /^set-authority: "a\/b" is no host\[:port\]/,
  "path-relative": /^set-path: "a" is no path/,
  "path-control": /^set-path: "\/a b" is no path/,
  "method-space": /^set-method: "GET \/" is no method that a filter may set/,
  "method-connect": /^set-method: "CONNECT" is no method that a filter may set/,
  "edits-many": /^more than 200 edits in one call/,
  "edits-long": /^more than 65536 bytes of edits in one call/,
  "reply-status-99": /^reply: 99 is no final status/,
  "reply-204-body": /^reply: a 204 has no body/,
  "reply-connection": /^reply: "connection" frames or routes the message/,
  "reply-crlf": /^reply: the value of "x-a" has a control byte/,
  "reply-huge": /^reply: more than 1048576 bytes/,
  "response-status-99": /^set-status: 99 is no final status/,
  "response-crlf": /^set-header: the value of "x-a" has a control byte/,
  "response-reply-status-600": /^reply: 600 is no final status/,
};

let upstream: Upstream;
let host: TestHost;

beforeAll(async () => {
  upstream = await Upstream.start(({ target }) => ok(`${target} secret`));
  host = await startProxy(upstream, {
    filters: {
      rules: { component: component("rules") },
      open: { component: component("rules"), "on-failure": "open" },
    },
    routes: [
      { match: { host: "open.test" }, filters: ["open"], upstream: "main" },
      { filters: ["rules"], upstream: "main" },
    ],
    limits: { "failure-lines": 1_000 },
  });
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

test("every rule that the fixture breaks has its sentence here", () => {
  expect(Object.keys(SAYINGS).sort()).toEqual([...BREAKS].sort());
});

test.each(BREAKS)("%s: 500, a sentence in the log, and nothing of the call on either wire", async (name) => {
  const before = upstream.arrivals.length;
  const counted = await failures("rules", name);
  await using client = await host.connect();
  const { status, head, body } = await client.ask(request(`/${name}`, [`X-Break: ${name}`]));
  expect([status, body.toString()]).toEqual([500, "FILTER_BROKE_CONTRACT\n"]);
  expect(head.raw).not.toMatch(/x-a|x-b|secret/i);
  expect(await failures("rules", name)).toBe(counted + 1);

  const seen = upstream.arrivals.slice(before);
  expect(seen.length, "requests at the upstream").toBe(name.startsWith("response-") ? 1 : 0);

  const id = head.one("x-request-id");
  const [line] = await host.lines(
    "the failure",
    (each) => each["request_id"] === id && each.msg === "filter failed",
  );
  expect(line).toMatchObject({
    filter: "rules",
    attributes: { detail: expect.stringMatching(SAYINGS[name] ?? /^$/) as string },
  });

  const next = await client.ask(request("/next"));
  expect([next.status, next.head.one("x-before"), next.body.toString()]).toEqual([200, "1", "/next secret"]);
});

test.each(BREAKS)("%s, where failures are open: as if the filter were not there", async (name) => {
  await using client = await host.connect();
  const sent = request(`/${name}`, [`X-Break: ${name}`, "X-Own: 1"]).replace("sluice.test", "open.test");
  const { status, head, body } = await client.ask(sent);
  expect([status, body.toString()]).toEqual([200, `/${name} secret`]);
  expect(head.raw).not.toMatch(/x-a|x-before/i);
  const { head: seen } = upstream.arrivals.at(-1) as (typeof upstream.arrivals)[number];
  expect(seen.one("x-own")).toBe("1");
  // What the filter did in a call that was in order stays: it failed only later.
  expect(seen.one("x-before")).toBe(name.startsWith("response-") ? "1" : undefined);
});

function failures(filter: string, name: string): Promise<number> {
  const reason = OVERSIZED.has(name) ? "size" : "contract";
  return host.metric(`sluice_filter_failures_total{filter="${filter}",reason="${reason}"}`);
}

/** In order, but for their size or number. */
const OVERSIZED: ReadonlySet<string> = new Set(["edits-many", "edits-long", "reply-huge"]);
