/** A request with a signed header has its timeline kept, and told to who has sent it. */
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DEBUG_HEADER, isDebugSigned, signDebug } from "../../host/ops/debug-signature.ts";
import { Place } from "../generations/changing.ts";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, type ConfigParts, configOf, type TestHost } from "../support/test-host.ts";
import { ok } from "../support/upstream.ts";

const { use, path, connect } = makeStage();

// A variable that every machine has, as what is in it does not matter here.
const SECRETS = { trace: { env: "PATH" } };
const KEY = Buffer.from(process.env["PATH"] ?? "");
const OTHER = Buffer.from("another key of enough bytes");
const HOUR_MS = 3_600_000;

function header(value = signDebug(KEY, Date.now() + HOUR_MS)): string {
  return `${DEBUG_HEADER}: ${value}`;
}

const PARTS: ConfigParts = {
  secrets: SECRETS,
  timelines: { sample: "0%", debug: "trace" },
  filters: {
    mark: { component: component("mark"), config: { mark: "1" } },
    trap: { component: component("trap") },
  },
  routes: [{ name: "api", upstream: "main", filters: ["mark", "trap"] }],
};

/** Asks once; gives what the client was told, and whether the exchange was kept. */
async function ask(
  host: TestHost,
  fields: readonly string[],
  target = "/",
): Promise<{ status: number; timing: readonly string[]; kept: boolean; id: string }> {
  const client = await connect(host);
  const { status, head } = await client.ask(request(target, fields));
  const id = head.one("x-request-id") ?? "";
  // The log's line comes after the exchange was kept, or was not.
  await host.lines("the exchange", (line) => line["request_id"] === id);
  const timing = head.all("server-timing");
  return { status, timing, kept: (await host.host.exchange(id)) !== undefined, id };
}

test("who signs is told each step, and the exchange is kept though nothing is sampled", async () => {
  const { host, upstream } = await path(() => ok("served", ["Server-Timing: db;dur=5"]), PARTS);
  const { timing, kept, id } = await ask(host, [header()]);

  expect([timing.length, timing[0]]).toEqual([2, "db;dur=5"]);
  const digests = host.host.status().filters.map(({ digest }) => digest.slice(0, 12));
  const dur = String.raw`\d+\.\d+`;
  const expected = [
    `mark\\.request;dur=${dur};desc="pass ${digests[0]}"`,
    `trap\\.request;dur=${dur};desc="pass ${digests[1]}"`,
    `main\\.try;dur=${dur};desc="${upstream.origin} 200"`,
    `trap\\.response;dur=${dur};desc="pass ${digests[1]}"`,
    `mark\\.response;dur=${dur};desc="pass ${digests[0]}"`,
    `filters;dur=${dur}`,
    `upstream;dur=${dur}`,
    `sluice;dur=${dur}`,
  ];
  expect(timing[1]).toMatch(new RegExp(`^${expected.join(", ")}$`));
  expect(kept).toBe(true);
  expect((await host.host.exchange(id))?.steps?.length).toBeGreaterThanOrEqual(5);
});

test("a failure is told as well, by its reason", async () => {
  const { host } = await path(undefined, PARTS);
  const failed = await ask(host, [header()], "/panic");
  expect([failed.status, failed.kept]).toEqual([500, true]);
  expect(failed.timing[0]).toMatch(
    /mark\.request;.*, trap\.request;dur=[\d.]+;desc="trap [0-9a-f]{12}", mark\.response;[^,]*, sluice;dur=[\d.]+$/,
  );

  const none = await path(undefined, { ...PARTS, routes: [{ match: { path: "/a" }, upstream: "main" }] });
  const lost = await ask(none.host, [header()]);
  expect([lost.status, lost.timing.length, lost.kept]).toEqual([404, 1, true]);
});

test.each([
  ["another key", signDebug(OTHER, Date.now() + HOUR_MS)],
  ["an expiry that has passed", signDebug(KEY, Date.now() - 2_000)],
  [
    "an expiry that was put off",
    signDebug(KEY, Date.now() - HOUR_MS).replace(/^\d+/, String(Math.floor(Date.now() / 1_000) + 3_600)),
  ],
  ["a signature cut short", signDebug(KEY, Date.now() + HOUR_MS).slice(0, -1)],
  ["a signature of the bare expiry", bare()],
  ["nothing", ""],
  ["a word", "yes"],
  ["two of them", `${signDebug(KEY, Date.now() + HOUR_MS)}, ${signDebug(KEY, Date.now() + HOUR_MS)}`],
])("a header with %s is ignored without a word", async (_, value) => {
  const { host } = await path(undefined, PARTS);
  const { status, timing, kept } = await ask(host, [header(value)]);
  expect([status, timing, kept]).toEqual([200, [], false]);
});

function bare(): string {
  const expiry = String(Math.floor(Date.now() / 1_000) + 3_600);
  return `${expiry}.${createHmac("sha256", KEY).update(expiry).digest("base64url")}`;
}

test("without a key no header counts", async () => {
  const { host } = await path(undefined, { ...PARTS, timelines: { sample: "0%" } });
  const { timing, kept } = await ask(host, [header()]);
  expect([timing, kept]).toEqual([[], false]);
});

test.each([
  ["with a key", PARTS],
  ["without one", { ...PARTS, timelines: {} }],
])("%s neither filters, nor servers, nor the log see the header", async (_, parts) => {
  const copied = { request: { set: { "x-seen": "[{header:x-sluice-debug}]" } } };
  const { host, upstream } = await path(undefined, {
    ...parts,
    filters: { copy: { component: component("headers"), config: copied } },
    routes: [{ upstream: "main", filters: ["copy"] }],
  });
  const signed = signDebug(KEY, Date.now() + HOUR_MS);
  await ask(host, [`x-SLUICE-debug: ${signed}`]);
  const { head } = upstream.only;
  expect([head.all("x-sluice-debug"), head.one("x-seen")]).toEqual([[], "[]"]);
  expect(JSON.stringify([host.log(), await host.host.exchanges({ failed: false, limit: 9 })])).not.toContain(
    signed,
  );
});

test("a route's own server-timing stays as short as it was for who does not sign", async () => {
  const routes = [{ upstream: "main", filters: ["mark"], "server-timing": true }];
  const { host } = await path(undefined, { ...PARTS, routes });
  expect((await ask(host, [])).timing).toEqual([
    expect.stringMatching(/^filters;dur=[\d.]+, upstream;[^"]*$/),
  ]);
  expect((await ask(host, [header()])).timing).toEqual([expect.stringContaining("mark.request;dur=")]);
});

test("a key that has changed is read with the configuration, and the one before it counts no more", async () => {
  const place = use(await Place.make());
  const file = join(place.folder, "key");
  writeFileSync(file, "the first key, of enough bytes\n");
  const rest = { workers: 1, secrets: { trace: { file } }, timelines: { sample: "0%", debug: "trace" } };
  const host = await place.start({ rest });
  const counts = async (key: string): Promise<boolean> =>
    (await ask(host, [header(signDebug(Buffer.from(key), Date.now() + HOUR_MS))])).kept;
  expect(await counts("the first key, of enough bytes")).toBe(true);

  writeFileSync(file, "the second key, of enough bytes\n");
  await host.host.apply(undefined);
  expect(await counts("the first key, of enough bytes")).toBe(false);
  expect(await counts("the second key, of enough bytes")).toBe(true);
});

test("a change that is about something else leaves the key as it is", async () => {
  const { host } = await path(undefined, PARTS);
  const swapped = await host.host.swap("mark", { component: component("mark"), config: { mark: "2" } });
  expect(swapped.generation).toBe(2);
  expect((await ask(host, [header()])).kept).toBe(true);
});

test("a head with as many steps as may be is one that clients take", async () => {
  const names = Array.from({ length: 32 }, (_, at) => `mark-${at}`);
  const marked = names.map((name) => [name, { component: component("mark"), config: { mark: name } }]);
  const { host } = await path(undefined, {
    ...PARTS,
    filters: Object.fromEntries(marked),
    routes: [{ upstream: "main", filters: names }],
  });
  const { timing } = await ask(host, [header()]);
  expect(timing[0]?.split(", ").length).toBe(35);
  expect(timing[0]?.length).toBeLessThan(4_096);
});

test("a signature says until when it counts, and no longer", () => {
  const now = 1_800_000_000_000;
  const signed = signDebug(KEY, now + 10_000);
  expect(signed).toMatch(/^1800000010\.[\w-]{43}$/);
  expect([0, 10_000, 10_001].map((late) => isDebugSigned(KEY, signed, now + late))).toEqual([
    true,
    true,
    false,
  ]);
  expect(isDebugSigned(OTHER, signed, now)).toBe(false);
});

test.each([
  [
    { debug: "trac" },
    SECRETS,
    'timelines.debug: expected the name of a secret, got "trac" (did you mean trace?)',
  ],
  [
    { debug: "trace" },
    { trace: { env: "SHORT_KEY" } },
    "secrets.trace: expected a key of at least 16 bytes for timelines.debug, got 5",
  ],
])("a key that is none is a problem of the configuration: %j", (timelines, secrets, expected) => {
  process.env["SHORT_KEY"] = "short";
  const parts = { upstreams: { main: { servers: ["http://127.0.0.1:1"] } }, secrets, timelines };
  expect(() => configOf(parts)).toThrow(expected);
});
