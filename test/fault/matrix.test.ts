/** Every way to fail, in every phase, under either policy, while other exchanges go through the same filters of the same worker. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DROP_AND_PROCEED, type Handmade, handmade, PROCEED } from "../contract/handmade.ts";
import { RawClient, type RawResponse } from "../support/raw-client.ts";
import { component, startProxy, type TestHost } from "../support/test-host.ts";
import { Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { BrokenOff } from "../support/wire.ts";

/** How the fixture fails, what the failure is counted as, and what it is answered with where there is an answer. */
const TRAPS: Readonly<Record<string, readonly [reason: string, code: string]>> = {
  panic: ["trap", "FILTER_TRAPPED"],
  unreachable: ["trap", "FILTER_TRAPPED"],
  oob: ["trap", "FILTER_TRAPPED"],
  exit: ["trap", "FILTER_TRAPPED"],
  overflow: ["stack", "FILTER_TRAPPED"],
  spin: ["fuel", "FILTER_OUT_OF_FUEL"],
  hoard: ["memory", "FILTER_OUT_OF_MEMORY"],
};
const REPLIES: typeof TRAPS = {
  "reply-broken": ["contract", "FILTER_BROKE_CONTRACT"],
  "reply-huge": ["size", "FILTER_BROKE_CONTRACT"],
};
const EDITS: typeof TRAPS = {
  "edit-broken": ["contract", "FILTER_BROKE_CONTRACT"],
  "edits-many": ["size", "FILTER_BROKE_CONTRACT"],
};

/** How an exchange ends in which a closed filter fails. */
type End =
  /** With the failure's own answer. */
  | "answered"
  /** The head of the response has gone out: it breaks off. */
  | "broken off"
  /** The client has all: it is as if nothing had been. */
  | "whole";

const PHASES: Readonly<Record<string, { readonly end: End; readonly ways: typeof TRAPS }>> = {
  request: { end: "answered", ways: { ...TRAPS, ...REPLIES, ...EDITS } },
  "request-chunk": { end: "answered", ways: { ...TRAPS, ...REPLIES } },
  "request-body": { end: "answered", ways: { ...TRAPS, ...REPLIES, ...EDITS } },
  "request-trailers": { end: "answered", ways: { ...TRAPS, ...REPLIES, ...EDITS } },
  response: { end: "answered", ways: { ...TRAPS, ...REPLIES, ...EDITS } },
  "response-chunk": { end: "broken off", ways: { ...TRAPS, ...REPLIES } },
  "response-body": { end: "answered", ways: { ...TRAPS, ...REPLIES, ...EDITS } },
  "response-trailers": { end: "broken off", ways: { ...TRAPS, ...REPLIES, ...EDITS } },
  end: { end: "whole", ways: TRAPS },
  drop: { end: "whole", ways: TRAPS },
};
const NAMES = Object.keys(PHASES);
const POLICIES = ["closed", "open"] as const;

/** What only a component does that no compiler has made: handles and calls against the rules. */
const STORED = "(call $request-path (local.get $head) (i32.const 2048))";
const ODD: Readonly<Record<string, readonly [reason: string, parts: Handmade]>> = {
  "made-up": [
    "handle",
    { onRequest: `(call $request-path (i32.const 77) (i32.const 1024)) ${DROP_AND_PROCEED}` },
  ],
  kept: ["handle", { onRequest: PROCEED }],
  "dropped-twice": ["handle", { onRequest: `(call $drop-request (local.get $head)) ${DROP_AND_PROCEED}` }],
  "made-up-response": [
    "handle",
    {
      plan: [4],
      onResponse: `(drop (call $response-status (i32.const 77))) (call $drop-response (local.get $head)) ${PROCEED}`,
    },
  ],
  nested: [
    "reentry",
    {
      beside: "(global $armed (mut i32) (i32.const 0))",
      realloc: "(if (global.get $armed) (then (call $request-id (i32.const 2048)))) (i32.const 4096)",
      onRequest: `(global.set $armed (i32.const 1)) ${STORED} ${DROP_AND_PROCEED}`,
    },
  ],
};

/** Clients that nothing must happen to. */
const HEALTHY = 6;

let upstream: Upstream;
let host: TestHost;
let folder: string;

beforeAll(async () => {
  // Answers when it has all, in chunks and with trailers, so that every phase has something to see.
  upstream = await Upstream.start(async (arrival) => {
    const { body, trailers } = await arrival.body();
    const sent = trailers.map(([name, value]) => `${name}=${value}`).join();
    const text = `${arrival.target} ${body.toString()} ${sent}`;
    return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\nX-Sum: 1\r\n\r\n`;
  });
  folder = mkdtempSync(join(tmpdir(), "sluice-matrix-"));
  const odd: [string, object][] = [];
  for (const [name, [, parts]] of Object.entries(ODD)) {
    const file = await handmade(join(folder, `${name}.wasm`), parts);
    for (const policy of POLICIES) odd.push([`${name}.${policy}`, { component: file, "on-failure": policy }]);
  }
  const each = NAMES.flatMap((phase) =>
    POLICIES.map((policy) => ({ phase, policy, name: `${phase}.${policy}` })),
  );
  host = await startProxy(upstream, {
    filters: Object.fromEntries([
      ...odd,
      ...each.map(
        ({ phase, policy, name }) =>
          [
            name,
            // A filter that fails more often than not is left alone otherwise.
            {
              component: component("trap"),
              config: { phase },
              "on-failure": policy,
              quarantine: { failures: 100 },
            },
          ] as const,
      ),
    ]),
    routes: [...odd.map(([name]) => name), ...each.map(({ name }) => name)].map((name) => ({
      match: { host: `${name}.test` },
      filters: [name],
      upstream: "main",
    })),
    limits: { "failure-lines": 10_000 },
    timeouts: { "instance-idle": "100ms", "instance-wait": "1m", "event-loop-delay": "1m" },
    log: { exchanges: false },
  });
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** A request with a body and a trailer. The filter of `name` sees it, and fails if there is a `way`. */
function asking(name: string, path: string, way?: string): string {
  const fields = ["Transfer-Encoding: chunked", "TE: trailers", "Connection: TE", "Trailer: X-Part"];
  if (way !== undefined) fields.push(`X-Break: ${way}`);
  return `POST ${path} HTTP/1.1\r\nHost: ${name}.test\r\n${fields.join("\r\n")}\r\n\r\n4\r\nbody\r\n0\r\nX-Part: 2\r\n\r\n`;
}

/** What is wrong with an answer of the upstream's; undefined when nothing is. */
function harmOf({ status, body, trailers }: RawResponse, path: string): string | undefined {
  const text = `${status} ${body.toString().toLowerCase()} ${trailers.map(String).join().toLowerCase()}`;
  return text === `200 ${path} body x-part=2 x-sum,1` ? undefined : text;
}

test("each fault costs its own exchange as it is documented, and no other; nothing stays behind", async () => {
  const wrong: string[] = [];
  const traffic = { going: true, served: 0 };
  const healthy = Array.from({ length: HEALTHY }, async (_, seat) => {
    await using client = await host.connect();
    for (let round = 0; traffic.going; round++) {
      const phase = NAMES[(seat + round) % NAMES.length] as string;
      const path = `/healthy/${seat}/${round}`;
      const harm = harmOf(await client.ask(asking(`${phase}.${POLICIES[round % 2]}`, path)), path);
      if (harm !== undefined) wrong.push(`${path}, ${phase}: ${harm}`);
      traffic.served += 1;
    }
  });
  const expected = new Map<string, number>();
  for (const [phase, { end, ways }] of Object.entries(PHASES)) {
    for (const [way, [reason, code]] of Object.entries(ways)) {
      for (const policy of POLICIES) {
        const name = `${phase}.${policy}`;
        const outcome = await fail(name, way, policy === "open" ? "whole" : end, code);
        if (outcome !== undefined) wrong.push(`${name}, ${way}: ${outcome}`);
        const series = `sluice_filter_failures_total{filter="${name}",reason="${reason}"}`;
        expected.set(series, (expected.get(series) ?? 0) + 1);
      }
    }
  }
  for (const [way, [reason]] of Object.entries(ODD)) {
    for (const policy of POLICIES) {
      const name = `${way}.${policy}`;
      const outcome = await fail(
        name,
        way,
        policy === "open" ? "whole" : "answered",
        "FILTER_BROKE_CONTRACT",
      );
      if (outcome !== undefined) wrong.push(`${name}: ${outcome}`);
      expected.set(`sluice_filter_failures_total{filter="${name}",reason="${reason}"}`, 1);
    }
  }
  traffic.going = false;
  await Promise.all(healthy);
  expect(wrong).toEqual([]);
  expect(traffic.served, "healthy exchanges meanwhile").toBeGreaterThan(HEALTHY);
  await settled(expected);
}, 120_000);

/** Lets one exchange fail, and says what is not as it should be. */
async function fail(name: string, way: string, end: End, code: string): Promise<string | undefined> {
  await using client = await RawClient.connect(host.address);
  const path = `/${name}/${way}`;
  try {
    const response = await client.ask(asking(name, path, way));
    if (end === "whole") return harmOf(response, path);
    const { status, body } = response;
    const text = `${status} ${body.toString()}`;
    return end === "answered" && text === `500 ${code}\n` ? undefined : text;
  } catch (error) {
    if (error instanceof BrokenOff) return end === "broken off" ? undefined : "broken off";
    throw error;
  }
}

/** Every failure is counted, once and under its reason; what was made for the exchanges is gone. */
async function settled(expected: ReadonlyMap<string, number>): Promise<void> {
  await waitFor("the end of all", async () => (await host.metric("sluice_exchanges_in_flight")) === 0);
  const { body } = await host.host.metrics();
  const counted = new Map(
    [...body.matchAll(/^(sluice_filter_failures_total\{.*\}) ([1-9]\d*)$/gm)].map(
      ([, series = "", count]) => [series, Number(count)] as const,
    ),
  );
  expect(counted).toEqual(expected);
  const leaks = [...body.matchAll(/^sluice_filter_handles_leaked_total\{.*\} (\d+)$/gm)].map(
    ([, count]) => count,
  );
  expect(new Set(leaks)).toEqual(new Set(["0"]));
  for (const name of NAMES.flatMap((phase) => POLICIES.map((policy) => `${phase}.${policy}`))) {
    await waitFor(
      `the end of the instances of ${name}`,
      async () => (await host.metric(`sluice_filter_instances{filter="${name}"}`)) <= 2,
    );
  }
}
