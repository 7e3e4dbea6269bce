/** A component's file changes on disk, and nobody says a word. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { handmade } from "../contract/handmade.ts";
import { renameOver, variant } from "../support/component-file.ts";
import { type RawClient, request } from "../support/raw-client.ts";
import { component, startProxy, type TestHost } from "../support/test-host.ts";
import { Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

let stack: AsyncDisposableStack;
let folder: string;
let upstream: Upstream;
let client: RawClient;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  folder = mkdtempSync(join(tmpdir(), "sluice-disk-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  upstream = stack.use(await Upstream.start());
});

afterEach(() => stack.disposeAsync());

/** A component that marks requests with one letter, whatever its config. */
async function marking(letter: string): Promise<Buffer> {
  const onRequest = `
    (call $request-set (local.get $head) (i32.const 1024) (i32.const 6) (i32.const 1030) (i32.const 1))
    (call $drop-request (local.get $head)) (i32.const 48)`;
  const file = join(folder, `made-${letter}.wasm`);
  await handmade(file, { beside: `(data (i32.const 1024) "x-mark${letter}")`, onRequest });
  return readFileSync(file);
}

async function start(file: string, workers = 1): Promise<TestHost> {
  const host = stack.use(
    await startProxy(upstream, {
      workers,
      filters: { own: { component: file } },
      routes: [{ upstream: "main", filters: ["own"] }],
    }),
  );
  client = stack.use(await host.connect());
  return host;
}

/** The mark that the upstream sees now. */
async function mark(): Promise<string | undefined> {
  expect((await client.ask(request("/"))).status).toBe(200);
  return upstream.arrivals.at(-1)?.head.one("x-mark");
}

/** Resolves when the upstream sees this mark. */
async function marked(letter: string): Promise<string> {
  await waitFor(`the mark ${letter}`, async () => (await mark()) === letter);
  return letter;
}

test.each<[string, (bytes: Buffer, file: string) => void]>([
  ["written in place", (bytes, file) => writeFileSync(file, bytes)],
  ["renamed over", (bytes, file) => renameOver(bytes, file)],
  [
    "deleted and created",
    (bytes, file) => {
      rmSync(file);
      writeFileSync(file, bytes);
    },
  ],
])("a file that is %s is swapped in, and the log says so", async (_, put) => {
  const file = join(folder, "own.wasm");
  writeFileSync(file, await marking("a"));
  const host = await start(file, 2);
  expect(await mark()).toBe("a");
  put(await marking("b"), file);
  await marked("b");
  const [line] = await host.lines("the swap", ({ msg }) => msg === "swapped");
  expect(line).toMatchObject({ filter: "own", generation: 2, configChanged: false });
  expect(line?.["from"]).not.toBe(line?.["to"]);
  expect(await host.metric('sluice_swaps_total{result="ok"}')).toBe(1);
});

test("a link that leads elsewhere is followed", async () => {
  mkdirSync(join(folder, "releases"));
  writeFileSync(join(folder, "releases", "1.wasm"), await marking("a"));
  writeFileSync(join(folder, "releases", "2.wasm"), await marking("b"));
  const link = join(folder, "current.wasm");
  symlinkSync("releases/1.wasm", link);
  await start(link);
  expect(await mark()).toBe("a");
  rmSync(link);
  symlinkSync("releases/2.wasm", link);
  expect(await marked("b")).toBe("b");
});

test("a file that becomes no component is refused with a sentence in the log, and one that is right again is taken", async () => {
  const file = join(folder, "own.wasm");
  writeFileSync(file, await marking("a"));
  const host = await start(file);
  renameOver("no component", file);
  const [line] = await host.lines("the refusal", ({ msg }) => msg.startsWith("swap refused"));
  expect(line).toMatchObject({
    level: 40,
    filter: "own",
    code: "ARTIFACT_REFUSED",
    msg: `swap refused: ${file} is no WebAssembly file: it does not begin with \\0asm`,
  });
  expect([await mark(), host.host.status().generation]).toEqual(["a", 1]);
  renameOver(await marking("b"), file);
  await marked("b");
  expect(host.host.status().generation).toBe(2);
});

test("a file that is written again with the same bytes changes nothing", async () => {
  const [same, other] = [join(folder, "same.wasm"), join(folder, "other.wasm")];
  const bytes = await marking("a");
  for (const file of [same, other]) writeFileSync(file, bytes);
  const host = stack.use(
    await startProxy(upstream, {
      filters: { same: { component: same }, other: { component: other } },
      routes: [{ upstream: "main", filters: ["same"] }],
    }),
  );
  renameOver(bytes, same);
  // Another file that changes later is told later: when it has been swapped, the first one has been looked at.
  renameOver(await marking("b"), other);
  const [line] = await host.lines("the other's swap", ({ msg }) => msg === "swapped");
  expect([line?.["filter"], host.host.status().generation]).toEqual(["other", 2]);
});

test("of many changes in a row the last one stands in the end", async () => {
  const file = join(folder, "own.wasm");
  writeFileSync(file, await marking("a"));
  await start(file);
  const last = await marking("z");
  for (let index = 0; index < 20; index++) renameOver(variant(await marking("b"), `version ${index}`), file);
  renameOver(last, file);
  expect(await marked("z")).toBe("z");
});

test("a file that two filters use is swapped in for both", async () => {
  const file = join(folder, "own.wasm");
  copyFileSync(component("mark"), file);
  const host = stack.use(
    await startProxy(upstream, {
      filters: {
        one: { component: file, config: { mark: "1" } },
        two: { component: file, config: { mark: "2" } },
      },
      routes: [
        { match: { path: "/one" }, upstream: "main", filters: ["one"] },
        { match: { path: "/two" }, upstream: "main", filters: ["two"] },
      ],
    }),
  );
  const [before] = host.host.status().filters;
  renameOver(variant(readFileSync(file), "another"), file);
  await waitFor("both filters to be swapped", () =>
    host.host.status().filters.every(({ digest }) => digest !== before?.digest),
  );
  client = stack.use(await host.connect());
  const marks = [await client.ask(request("/one")), await client.ask(request("/two"))].map(({ head }) =>
    head.one("x-mark"),
  );
  expect(marks).toEqual(["1", "2"]);
  expect(host.host.status().generation).toBe(3);
});

test("after a swap to another file that one is watched, and the old one is not", async () => {
  const [old, fresh] = [join(folder, "old.wasm"), join(folder, "fresh.wasm")];
  writeFileSync(old, await marking("a"));
  writeFileSync(fresh, await marking("b"));
  const host = await start(old);
  await host.host.swap("own", { component: fresh });
  expect(await mark()).toBe("b");
  renameOver(await marking("x"), old);
  renameOver(await marking("c"), fresh);
  await marked("c");
  expect(host.host.status().generation).toBe(3);
});

test("a file that is pinned by its digest is not swapped when it changes, and the log says why", async () => {
  const file = join(folder, "own.wasm");
  copyFileSync(component("mark"), file);
  const bytes = readFileSync(file);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const host = stack.use(
    await startProxy(upstream, {
      filters: { own: { component: file, sha256, config: { mark: "pinned" } } },
      routes: [{ upstream: "main", filters: ["own"] }],
    }),
  );
  renameOver(variant(bytes, "another"), file);
  const [line] = await host.lines("the refusal", ({ msg }) => msg.startsWith("swap refused"));
  expect(line?.msg).toMatch(new RegExp(`has the digest [0-9a-f]{64}, and ${sha256} was asked for$`));
  expect(host.host.status().generation).toBe(1);
});
