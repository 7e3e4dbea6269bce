/** No client's address gets anywhere: a host is asked in every way that there is, and all that it has written is searched. */
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startSluice } from "../cli/command.ts";
import { component as versionOf, RunningHost } from "../cli/running-host.ts";
import { Authority, writePair } from "../support/certificate.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { component } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { Collector } from "../trace/collector.ts";
import { waitFor } from "../support/waiting.ts";
import { found, SENTINELS } from "./sentinels.ts";
import { adminAnswers, filesUnder, type Sources } from "./sources.ts";

/** Believed what it tells of its clients. */
const PROXY = "127.66.0.1";
const HAS_V6 = Object.values(networkInterfaces()).some((all) => all?.some(({ family }) => family === "IPv6"));

/** It is ended long before, or has failed. */
const RECORDING_MS_MAX = 100_000;

let folder: string;
let host: RunningHost;
let upstream: Upstream;
let collector: Collector;
const ids: string[] = [];
const sources: Sources = new Map();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-privacy-"));
  // What it is told: it may know.
  upstream = await Upstream.start(() => ok("hello"));
  collector = await Collector.start();
  host = await start();
  await traffic();
  await gather();
}, 120_000);

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  await collector[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("a client's address", () => {
  test("reaches upstreams, which shows that all sentinels have been at the host", () => {
    const told = upstream.arrivals.map(({ head }) => head.raw);
    const missed = Object.entries(SENTINELS).filter(
      ([name, address]) => (HAS_V6 || name !== "mapped") && !told.some((line) => line.includes(address)),
    );
    expect(missed).toEqual([]);
    expect(found(told.join("\n")).length, "the search finds what is there").toBeGreaterThan(6);
  });

  test("is in nothing else, whoever has written it", () => {
    const leaks = [...sources].flatMap(([name, text]) => found(text).map((leak) => `${name}: ${leak}`));
    expect(leaks).toEqual([]);
  });

  test("would have been in all of it, for there is something of each kind", () => {
    const text = (name: RegExp): string => {
      const texts = [...sources].filter(([source]) => name.test(source)).map(([, each]) => each);
      expect(texts.length, `nothing is called ${name}`).toBeGreaterThan(0);
      return texts.join("\n");
    };
    const log = text(/^log$/);
    for (const id of ids) expect(log).toContain(id);
    expect(log).toContain("a request of redacted");
    expect(log).toContain("said of redacted");
    expect(log).toContain("no idea what to do with redacted");
    expect(log).toContain('"sluice.metadata":{"client":"redacted"}');
    expect(log).toMatch(/"client.address":"[\w-]{16}"/);
    expect(log).toContain('"http.request.header.referer":["http://redacted/"]');
    for (const code of [
      "UPSTREAM_UNREACHABLE",
      "ROUTE_NOT_FOUND",
      "FILTER_TRAPPED",
      "LOOP_DETECTED",
      "CLIENT_GONE",
    ])
      expect(log).toContain(`"error.type":"${code}"`);
    const metrics = text(/^GET \/metrics$/);
    expect(metrics).toContain('clients_total{filter="indiscreet",client="redacted"}');
    expect(metrics).toMatch(/sluice_tls_handshake_failures_total\{[^}]*\} [1-9]/);
    expect(metrics).toContain('sluice_failures_total{code="PROXY_HEADER_MALFORMED"} 1');
    expect(text(/^GET \/v1\/refused$/)).toContain("MESSAGE_MALFORMED");
    expect(text(/^GET \/v1\/filters\/indiscreet\/trial$/)).toContain('"canary"');
    expect(text(/^capsules\//)).toContain("/panic");
    expect(text(/^recorded\.jsonl$/)).toContain("/told");
    expect(text(/^traces$/)).toContain("/told");
    expect(text(/^GET \/v1\/exchanges$/)).toContain('"reason":"trap"');
    expect(text(/^GET \/v1\/live$/)).toContain("indiscreet");
    expect(text(/^audit\.jsonl$/)).toContain("swap");
    expect(text(/^\.sluice\/state\//)).not.toBe("");
    expect(text(/^sluice status/)).toContain("indiscreet");
  });
});

async function start(): Promise<RunningHost> {
  const authority = await Authority.create();
  const pair = writePair(folder, "server", await authority.issue(["sluice.test"]));
  const facts = { "client-address": true, metrics: true };
  return RunningHost.start(() => {}, {
    listen: [
      "127.0.0.1:0",
      { address: "127.0.0.1:0", "proxy-protocol": true },
      { address: "127.0.0.1:0", tls: { certificates: [pair] } },
      ...(HAS_V6 ? ["[::]:0"] : []),
    ],
    admin: { address: "unix:admin.sock", audit: "audit.jsonl" },
    capsules: { folder: "capsules", headers: ["Referer"] },
    forwarded: { trusted: ["127.66.0.0/16"] },
    log: { query: "names", headers: ["Referer"] },
    "client-address": { log: "keyed-hash" },
    timelines: { sample: "100%" },
    traces: { otlp: collector.origin, sample: "100%" },
    filters: {
      indiscreet: { component: component("indiscreet"), config: {}, grant: facts },
      lenient: { component: component("indiscreet"), config: {}, grant: facts, "on-failure": "open" },
      marks: { component: "marks.wasm", config: {} },
    },
    upstreams: { echo: { servers: [upstream.origin] }, dead: { servers: ["http://127.0.0.1:1"] } },
    routes: [
      { name: "told", match: { path: "/told/*" }, filters: ["marks", "indiscreet"], upstream: "echo" },
      { name: "panic", match: { path: "/panic" }, filters: ["indiscreet"], upstream: "echo" },
      { name: "open", match: { path: "/panic/open" }, filters: ["lenient"], upstream: "echo" },
      { name: "dead", match: { path: "/dead" }, upstream: "dead" },
    ],
  });
}

/** Requests of all kinds, while candidates are tried and a filter is recorded. */
async function traffic(): Promise<void> {
  writeFileSync(join(host.folder, "shadow.wasm"), versionOf("2"));
  writeFileSync(join(host.folder, "canary.wasm"), other(readFileSync(component("indiscreet"))));
  await command("swap", "marks", "shadow.wasm", "--shadow", "--for", "0");
  // Whatever fails: the end of a trial is the end of a recording.
  const endless = "--for 0 --max-failures 100000 --max-errors 100% --max-latency 10m".split(" ");
  await command("swap", "indiscreet", "canary.wasm", "--canary", "50%", "--key", "client", ...endless);
  // A change would end it.
  const file = join(host.folder, "recorded.jsonl");
  const words = ["record", "indiscreet", "--headers", "Referer", "-o", file];
  const recording = startSluice(words, { cwd: host.folder }, RECORDING_MS_MAX);
  await waitFor("the recording", () => existsSync(file));

  const { plain, proxied, mapped } = places();
  await from(plain, SENTINELS.socket);
  await from({ ...plain, from: PROXY }, SENTINELS.forwarded, [`X-Forwarded-For: ${SENTINELS.forwarded}`]);
  const mappedForm = `::ffff:${SENTINELS.forwardedMapped}`;
  await from({ ...plain, from: PROXY }, SENTINELS.forwardedMapped, [`X-Forwarded-For: ${mappedForm}`]);
  await from({ ...plain, from: PROXY }, SENTINELS.forwardedV6, [`X-Forwarded-For: ${SENTINELS.forwardedV6}`]);
  if (mapped !== undefined) await from({ ...mapped, from: SENTINELS.mapped }, SENTINELS.mapped);
  await from(proxied, SENTINELS.proxied, [], `PROXY TCP4 ${SENTINELS.proxied} 192.0.2.2 1 2\r\n`);
  await from(proxied, SENTINELS.proxiedV6, [], `PROXY TCP6 ${SENTINELS.proxiedV6} 2001:db8::1 1 2\r\n`);
  await from(
    proxied,
    SENTINELS.proxiedMapped,
    [],
    `PROXY TCP6 ::ffff:${SENTINELS.proxiedMapped} ::1 1 2\r\n`,
  );
  await refusals();
  await recorded(plain, file);
  recording.kill("SIGINT");
  expect(await once(recording, "close")).toEqual([0, null]);
}

/** All that one client does: what goes well, and what fails in each way that there is. */
async function from(
  place: { readonly host: string; readonly port: number; readonly from?: string },
  address: string,
  fields: readonly string[] = [],
  before = "",
): Promise<void> {
  const own = { from: SENTINELS.socket, ...place };
  const ask = async (path: string, status: number, more: readonly string[] = []): Promise<void> => {
    await using client = await RawClient.connect(own);
    client.send(before);
    const referer = `Referer: http://${address}/`;
    const answer = await client.ask(request(`${path}?from=${address}`, [...fields, referer, ...more]));
    expect(answer.status, path).toBe(status);
    ids.push(answer.head.one("x-request-id") ?? "");
  };
  for (const path of ["/told/a", "/told/b"]) await ask(path, 200);
  await ask("/panic", 500);
  await ask("/panic/open", 200);
  await ask("/dead", 502);
  await ask("/nowhere", 404);
  const via = upstream.arrivals[0]?.head.one("via") ?? "";
  await ask("/told/loop", 508, [`Via: 1.1 ${address}, ${via}`]);

  const gone = await RawClient.connect(own);
  const path = `/told/gone/${ids.length}`;
  gone.send(`${before}${request(path, [...fields, "Content-Length: 9"], "POST")}`);
  await waitFor("its arrival", () => upstream.arrivals.some(({ target }) => target === path));
  gone.reset();
}

/** What becomes no exchange. */
async function refusals(): Promise<void> {
  const { plain, proxied, secure } = places();
  for (const [place, text] of [
    [plain, `GET / HTTP/1.1\r\nHost: a\r\nX-From: ${SENTINELS.socket}\0\r\n\r\n`],
    [plain, `GET / HTTP/1.1\r\nX-Forwarded-For: ${SENTINELS.forwarded}\r\n\r\n`],
    [proxied, `PROXY TCP4 ${SENTINELS.proxied} 192.0.2.2 1 x\r\n`],
    [secure, `GET /${SENTINELS.socket} HTTP/1.1\r\n\r\n`],
  ] as const) {
    await using client = await RawClient.connect({ ...place, from: SENTINELS.socket });
    client.send(text);
    await client.close();
  }
}

async function gather(): Promise<void> {
  const failed = (code: string): number => host.lines.filter((line) => line["error.type"] === code).length;
  const clients = Object.keys(SENTINELS).length - (HAS_V6 ? 0 : 1);
  await waitFor(
    "the last lines",
    () => failed("CLIENT_GONE") === clients && failed("FILTER_TRAPPED") === clients,
  );
  await waitFor(
    "the last failure",
    () => host.lines.filter(({ msg }) => msg === "filter failed").length >= clients,
  );
  const parameters = {
    "filters/name": ["indiscreet", "lenient", "marks"],
    "upstreams/name": ["echo"],
    "generations/n": ["1", "2", "3"],
    id: ids,
  };
  for (const [name, text] of await adminAnswers(join(host.folder, "admin.sock"), parameters))
    sources.set(name, text);
  for (const words of [
    ["status"],
    ["history"],
    ["refused"],
    ["trial", "indiscreet"],
    ["trace", "--failed"],
    ["explain", "/told/a"],
  ])
    sources.set(`sluice ${words.join(" ")}`, (await host.command(...words)).stdout);
  await host.stop();
  for (const [name, text] of filesUnder(host.folder, ["sluice.yaml"])) sources.set(name, text);
  const { spans, requests, resources } = collector;
  sources.set("traces", JSON.stringify({ spans, requests, resources }));
  sources.set("log", host.lines.map((line) => JSON.stringify(line)).join("\n"));
}

/** Whom the present version serves is drawn by the canary, so that others may have to come for one to be recorded. */
async function recorded(place: Place, file: string): Promise<void> {
  for (let other = 1; !readFileSync(file, "utf8").includes("/told"); other++) {
    await using client = await RawClient.connect({ ...place, from: `127.99.0.${1 + (other % 250)}` });
    expect((await client.ask(request("/told/more"))).status).toBe(200);
  }
}

async function command(...words: string[]): Promise<void> {
  const { code, stderr } = await host.command(...words);
  expect(code, stderr).toBe(0);
}

function places(): Record<"plain" | "proxied" | "secure", Place> & { readonly mapped: Place | undefined } {
  const listen = host.lines.find(({ msg }) => msg === "serving")?.["listen"] as string[];
  const [plain, proxied, secure, mapped] = listen.map((address) => ({
    host: "127.0.0.1",
    port: Number(address.slice(address.lastIndexOf(":") + 1)),
  }));
  if (plain === undefined || proxied === undefined || secure === undefined)
    throw new Error("it does not listen");
  return { plain, proxied, secure, mapped };
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/** The same component as another artifact. */
function other(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.from([0, 6, 5]), Buffer.from("other")]);
}
