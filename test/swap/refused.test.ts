/** A change that is refused: the reason in one sentence, and everything as it was. */
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Refusal, type RefusalCode, type SwapRequest } from "../../host/control/control.ts";
import { type RawClient, request } from "../support/raw-client.ts";
import { component, startProxy, type TestHost } from "../support/test-host.ts";
import { Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

let upstream: Upstream;
let host: TestHost;
let client: RawClient;

const MARK = component("mark");

beforeAll(async () => {
  upstream = await Upstream.start();
  host = await startProxy(upstream, {
    workers: 2,
    filters: {
      mark: { component: MARK, config: { mark: "old" } },
      bad: { component: component("bad_config"), config: {} },
      deaf: { component: component("mark"), config: { mark: "x" }, grant: { "exchange-facts": false } },
    },
    routes: [{ upstream: "main", filters: ["mark", "bad"] }],
  });
  client = await host.connect();
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

/** A file in the host's folder. */
function file(name: string, bytes: string): string {
  const path = join(host.folder, name);
  writeFileSync(path, bytes);
  return path;
}

type Row = readonly [
  title: string,
  filter: string,
  change: () => SwapRequest,
  code: RefusalCode,
  sentence: RegExp,
];

const ROWS: readonly Row[] = [
  [
    "a file that is not there",
    "mark",
    () => ({ component: "/none/such.wasm" }),
    "ARTIFACT_REFUSED",
    /^\/none\/such\.wasm cannot be read \(ENOENT\)$/,
  ],
  [
    "a file that is no component",
    "mark",
    () => ({ component: file("text.wasm", "text") }),
    "ARTIFACT_REFUSED",
    /text\.wasm is no WebAssembly file: it does not begin with \\0asm$/,
  ],
  [
    "a component that is cut off",
    "mark",
    () => ({ component: file("cut.wasm", "\0asm\x0d\0\x01\0cut") }),
    "ARTIFACT_REFUSED",
    /cut\.wasm is no valid component: /,
  ],
  [
    "another digest than was asked for",
    "mark",
    () => ({ component: MARK, sha256: "0".repeat(64) }),
    "ARTIFACT_REFUSED",
    /mark\.wasm has the digest [0-9a-f]{64}, and 0{64} was asked for$/,
  ],
  [
    "an import that is not granted",
    "mark",
    () => ({ component: component("wants_store"), config: null }),
    "GRANT_MISSING",
    /^filter mark imports sluice:filter\/store@0\.1\.0, which it is not granted: filters\.mark needs `grant: \{ store: true \}`; the version that runs does not import it$/,
  ],
  [
    "an import that the grant takes away",
    "deaf",
    () => ({ component: component("headers"), config: { request: { set: { a: "{request-id}" } } } }),
    "GRANT_MISSING",
    /^filter deaf imports sluice:filter\/exchange-facts@0\.1\.0, which its grant takes away; the version that runs does not import it$/,
  ],
  [
    "longer bodies than the limit",
    "mark",
    () => ({ component: component("bodies"), config: { request: { take: { whole: 16_777_217 } } } }),
    "CONFIGURE_REFUSED",
    /^filter mark asks for whole request bodies of up to 16777217 bytes; limits\.body-buffered-bytes is 16777216$/,
  ],
  [
    "a config that the filter refuses",
    "mark",
    () => ({ component: MARK, config: { mark: "new", more: 1 } }),
    "CONFIGURE_REFUSED",
    /^filter mark refuses its config: .*unknown field `more`/,
  ],
  [
    "no config where it wants one",
    "mark",
    () => ({ component: MARK, config: null }),
    "CONFIGURE_REFUSED",
    /^filter mark refuses its config: /,
  ],
  [
    "an error of configure",
    "bad",
    () => ({ component: component("bad_config"), config: { how: "error" } }),
    "CONFIGURE_REFUSED",
    /^filter bad refuses its config: config\.how: this configuration is refused on purpose$/,
  ],
  [
    "a panic in configure",
    "bad",
    () => ({ component: component("bad_config"), config: { how: "panic" } }),
    "CONFIGURE_REFUSED",
    /^filter bad failed in configure \(trap\): [^]*bad-config\/src\/lib\.rs:\d+:\d+:\npanicked in configure/,
  ],
  [
    "a filter that is not there",
    "none",
    () => ({ component: MARK }),
    "FILTER_UNKNOWN",
    /^there is no filter none: mark, bad, deaf$/,
  ],
];

test.each(ROWS)("%s", async (_, filter, change, code, sentence) => {
  const instances = (): Promise<number> => host.metric('sluice_filter_instances{filter="mark"}');
  // However many a filter in use comes to, a refused swap leaves no more.
  await client.ask(request("/"));
  const serving = await instances();
  const before = host.host.status();
  const refused = await host.metric('sluice_swaps_total{result="refused"}');
  const error: unknown = await host.host.swap(filter, change()).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(Refusal);
  const { code: given, message } = error as Refusal;
  expect(given).toBe(code);
  expect(message).toMatch(sentence);

  expect(host.host.status()).toEqual(before);
  const { status, head } = await client.ask(request("/"));
  expect([status, head.one("x-mark")]).toEqual([200, "old"]);
  expect(await host.metric("sluice_generation")).toBe(before.generation);
  await waitFor("an end of the refused instances", async () => (await instances()) <= serving);

  expect(await host.metric('sluice_swaps_total{result="refused"}')).toBe(refused + 1);
  const logged = await host.lines("the refusal", ({ msg }) => msg === `swap refused: ${message}`);
  expect(logged.at(-1)).toMatchObject({ level: 40, filter, code });
});

test("a change of one filter does not depend on the files of the others", async () => {
  const gone = join(host.folder, "gone.wasm");
  copyFileSync(MARK, gone);
  await using other = await startProxy(upstream, {
    filters: {
      mark: { component: MARK, config: { mark: "old" } },
      gone: { component: gone, config: { mark: "other" } },
    },
    routes: [{ upstream: "main", filters: ["gone", "mark"] }],
  });
  rmSync(gone);
  const { generation } = await other.host.swap("mark", { component: MARK, config: { mark: "new" } });
  expect(generation).toBe(2);
  expect(other.host.status().filters.map(({ digest }) => digest !== "")).toEqual([true, true]);
});
