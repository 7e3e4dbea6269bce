/** The artifact store under hosts that share it, damage it, fill it, or have forgotten it. */
import { spawnSync } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseConfig } from "../../host/config/parse.ts";
import { digestOf } from "../../host/filter/component-store.ts";
import { Host } from "../../host/host.ts";
import { createLog } from "../../host/ops/log.ts";
import { MAIN } from "../cli/command.ts";
import { variant } from "../support/component-file.ts";
import { component, TestHost } from "../support/test-host.ts";
import { writeKeys } from "../trust/keys.ts";
import { handmade } from "../contract/handmade.ts";
import { signed } from "./bad-artifacts.ts";
import { MARK, markOf, Place, refusal } from "./changing.ts";

let FILTER: Buffer;
let place: Place;
let store: string;
let file: string;

beforeEach(async () => {
  place = await Place.make();
  store = join(place.folder, "store");
  file = join(place.folder, "own.wasm");
  // Small, as each test has a store of its own and transpiles what it needs.
  FILTER = readFileSync(await handmade(file, {}));
});

afterEach(() => place[Symbol.asyncDispose]());

interface Parts {
  readonly from?: string;
  readonly filter?: object;
  readonly filters?: object;
}

function rest({ from = file, filter, filters }: Parts = {}): object {
  return {
    workers: 1,
    artifacts: store,
    filters: { mark: { component: from, ...filter }, ...filters },
  };
}

function start(parts: Parts = {}): Promise<TestHost> {
  return place.start({ rest: rest(parts) });
}

/** Another host on the same store, with a configuration of another file, or of none. */
async function startOther(name: string | undefined, parts: Parts = {}): Promise<TestHost> {
  const folder = join(place.folder, name ?? "none");
  mkdirSync(folder);
  const path = join(folder, "sluice.yaml");
  const text = place.text({ rest: rest(parts) });
  writeFileSync(path, text);
  const log = createLog({ level: "info", destination: join(folder, "log") });
  const host = await Host.start(
    parseConfig(text, path, process.env),
    log,
    undefined,
    name === undefined ? undefined : path,
  );
  place.stack.defer(() => host.force());
  return new TestHost(host, folder);
}

function put(name: string, bytes: Buffer): string {
  const path = join(place.folder, name);
  writeFileSync(path, bytes);
  return path;
}

function homeOf(bytes: Buffer): string {
  return join(store, "sha256", digestOf(bytes));
}

function isKept(bytes: Buffer): boolean {
  return existsSync(homeOf(bytes));
}

/** As if nobody had used it for so many days. */
function age(bytes: Buffer, days: number): void {
  const at = new Date(Date.now() - days * 86_400_000);
  utimesSync(join(homeOf(bytes), "component.wasm"), at, at);
}

/** The folder of the only form that was made of a component. */
function formOf(bytes: Buffer): string {
  const forms = readdirSync(homeOf(bytes)).filter((name) => name.startsWith("jco-"));
  expect(forms).toHaveLength(1);
  return join(homeOf(bytes), forms[0] ?? "");
}

describe("what is collected", () => {
  test("is what no generation names and nobody has used for a week", async () => {
    const host = await start();
    const [second, third] = [variant(FILTER, "second"), variant(FILTER, "third")];
    await host.host.swap("mark", { component: put("second.wasm", second) });
    // Looked at, and never live.
    for (const [name, bytes] of [
      ["third", third],
      ["fourth", variant(FILTER, "fourth")],
    ] as const)
      await host.host.diffSwap("mark", { component: put(`${name}.wasm`, bytes) });
    expect(await host.host.collectArtifacts(), "it was used just now").toEqual([]);
    for (const bytes of [FILTER, second, third]) age(bytes, 8);
    age(variant(FILTER, "fourth"), 6);
    expect(await host.host.collectArtifacts()).toEqual([digestOf(third)]);
    expect([FILTER, second, third, variant(FILTER, "fourth")].map(isKept)).toEqual([true, true, false, true]);
    await host.host.rollback(1);
    expect(host.host.status().filters[0]?.digest).toBe(digestOf(FILTER));
  });

  test("is nothing that a generation of another host names, running or not, or that runs in one without a state", async () => {
    const [theirs, stateless] = [variant(FILTER, "theirs"), variant(FILTER, "stateless")];
    const host = await start();
    const other = await startOther("other", { from: put("theirs.wasm", theirs) });
    const third = await startOther(undefined, { from: put("stateless.wasm", stateless) });
    await other.host.drain();
    for (const bytes of [FILTER, theirs, stateless]) age(bytes, 8);
    // Each host says once an hour what it uses.
    await third.host.collectArtifacts();
    expect(await host.host.collectArtifacts()).toEqual([]);
    await third.host.drain();
    age(stateless, 8);
    expect(await host.host.collectArtifacts()).toEqual([digestOf(stateless)]);
    expect(isKept(theirs)).toBe(true);
  });

  test("is also what killed processes have left half written, and not what is being written", async () => {
    const host = await start();
    const left = ["new-abc123", ".component.wasm.1.1"].map((name) => join(homeOf(FILTER), name));
    const begun = join(homeOf(FILTER), "new-def456");
    mkdirSync(left[0] ?? "");
    writeFileSync(left[1] ?? "", "half");
    mkdirSync(begun);
    mkdirSync(homeOf(variant(FILTER, "begun")));
    const old = new Date(Date.now() - 8 * 86_400_000);
    for (const path of left) utimesSync(path, old, old);
    expect(await host.host.collectArtifacts()).toEqual([]);
    expect(left.map((path) => existsSync(path))).toEqual([false, false]);
    expect([existsSync(begun), isKept(variant(FILTER, "begun"))]).toEqual([true, true]);
  });
});

describe("two hosts on one store", () => {
  test("that load the same at once both have it, once", async () => {
    const next = put("next.wasm", variant(FILTER, "next"));
    const [one, other] = await Promise.all([start(), startOther("other")]);
    const swaps = [one, other].map(({ host }) => host.swap("mark", { component: next }));
    expect((await Promise.all(swaps)).map(({ to }) => to)).toEqual(
      Array(2).fill(digestOf(readFileSync(next))),
    );
    for (const bytes of [FILTER, readFileSync(next)]) {
      formOf(bytes);
      expect(readdirSync(homeOf(bytes))).toHaveLength(2);
    }
  });
});

describe("what is damaged", () => {
  /** With whom nothing of it is in memory. */
  async function again(parts: Parts = {}): Promise<TestHost> {
    await host.host.drain();
    return start(parts);
  }
  let host: TestHost;

  beforeEach(async () => {
    host = await start();
  });

  test("of a form is made again from the component", async () => {
    const script = join(formOf(FILTER), "component.js");
    const whole = readFileSync(script);
    for (const damage of [
      () => truncateSync(script, 10),
      () => writeFileSync(script, Buffer.alloc(whole.length)),
    ]) {
      damage();
      host = await again();
      expect(host.host.status().generation, "it was not resumed").toBe(1);
      expect(readFileSync(script).equals(whole)).toBe(true);
    }
  });

  test("of a component is taken from its source again, also where it is as long as before", async () => {
    const kept = join(homeOf(FILTER), "component.wasm");
    const bytes = Buffer.from(FILTER);
    bytes[200] = (bytes[200] ?? 0) ^ 1;
    writeFileSync(kept, bytes);
    rmSync(formOf(FILTER), { recursive: true });
    const next = variant(FILTER, "next");
    host = await again();
    expect(host.host.status()).toMatchObject({ generation: 2, filters: [{ digest: digestOf(FILTER) }] });
    expect(readFileSync(kept).equals(FILTER)).toBe(true);
    const [line] = await host.lines("the reason", ({ msg }) => msg.startsWith("not resumed"));
    expect(line?.msg).toBe(
      `not resumed, the file counts: ${file} is not in ${store} any more, by its digest ${digestOf(FILTER)}`,
    );
    // And where there is no source, the sentence says what is missing.
    await host.host.swap("mark", { component: put("next.wasm", next) });
    rmSync(homeOf(FILTER), { recursive: true });
    expect((await refusal(host.host.rollback(1))).message).toBe(
      `${file} is not in ${store} any more, by its digest ${digestOf(FILTER)}`,
    );
  });

  test("of kept signatures counts as none, and is written again with the next ones", async () => {
    const { public: key, private: secret } = writeKeys(place.folder, "release", "ed25519");
    const signature = signed(FILTER, createPrivateKey(readFileSync(secret)));
    writeFileSync(`${file}.sig`, signature);
    const parts = { filter: { verify: { keys: [key] } } };
    const kept = join(homeOf(FILTER), "signatures.json");
    host = await again(parts);
    for (const damage of ["{", '[{"kind":"key"}]']) {
      const { generation } = host.host.status();
      writeFileSync(kept, damage);
      host = await again(parts);
      expect(host.host.status().generation, damage).toBe(generation + 1);
      expect(JSON.parse(readFileSync(kept, "utf8"))).toEqual([
        { kind: "key", text: signature, from: "own.wasm.sig" },
      ]);
    }
    writeFileSync(kept, "{");
    rmSync(`${file}.sig`);
    await host.host.drain();
    expect((await refusal(start(parts))).message).toMatch(/own\.wasm: expected a signature of .*, got none$/);
  });

  test("or missing altogether, while it runs, stands in no other change's way", async () => {
    const next = put("next.wasm", variant(FILTER, "next"));
    rmSync(join(store, "sha256"), { recursive: true });
    await host.host.apply(place.text({ rest: { ...rest(), limits: { edits: 65 } } }));
    await host.host.swap("mark", { component: next });
    // The bytes are there, and what was made of them is not.
    await host.host.swap("mark", { component: file });
    expect(existsSync(join(formOf(FILTER), "component.js"))).toBe(true);
  });
});

test("what one filter is refused for stays for the other that runs it", async () => {
  const filters = { big: { component: MARK, config: { mark: "big" } } };
  const host = await start({ filters });
  const small = { component: MARK, config: { mark: "small" }, limits: { memory: "64KiB" } };
  const { code, message } = await refusal(
    host.host.apply(place.text({ rest: rest({ filters: { ...filters, small } }) })),
  );
  expect([code, message]).toEqual([
    "ARTIFACT_REFUSED",
    expect.stringMatching(/mark\.wasm cannot be metered: its module \S+ needs .* of memory from the start/),
  ]);
  expect(existsSync(join(formOf(readFileSync(MARK)), "component.js"))).toBe(true);
});

describe("a store that cannot be written", () => {
  test("is told by the start", async () => {
    for (const at of ["", "sha256"]) {
      rmSync(store, { recursive: true, force: true });
      if (at !== "") mkdirSync(store);
      writeFileSync(join(store, at), "a file where the folder would be");
      const { code, message } = await refusal(start());
      expect([code, message], at).toEqual([
        "ARTIFACT_REFUSED",
        expect.stringMatching(/own\.wasm cannot be kept in .*store \((ENOTDIR|EEXIST)\)$/),
      ]);
    }
  });

  test("is told by a swap, and what runs goes on", async () => {
    const host = await start({ from: MARK, filter: { config: { mark: "one" } } });
    const bytes = variant(readFileSync(MARK), "next");
    writeFileSync(homeOf(bytes), "a file where the folder would be");
    const next = put("next.wasm", bytes);
    const { code, message } = await refusal(host.host.swap("mark", { component: next }));
    expect([code, message]).toEqual(["ARTIFACT_REFUSED", `${next} cannot be kept in ${store} (EEXIST)`]);
    expect(await markOf(host)).toBe("one");
    rmSync(homeOf(bytes));
    expect((await host.host.swap("mark", { component: next })).to).toBe(digestOf(bytes));
  });

  // In blocks of 512 bytes: less than the component, and less than what is made of it.
  test.each([100, 600])(
    "as the disk is full after %i blocks is told, and nothing is left half written",
    (blocks) => {
      const from = component("headers");
      writeFileSync(place.file, place.text({ rest: rest({ from, filter: { config: {} } }) }));
      // A file that may not grow fails as one does on a full disk.
      const script = 'ulimit -f "$1"; shift; exec "$@"';
      const words = [process.execPath, MAIN, "check", "-c", place.file];
      const { stderr, status } = spawnSync("sh", ["-c", script, "sh", String(blocks), ...words], {
        encoding: "utf8",
      });
      expect([status, stderr]).toEqual([1, `${place.file}: ${from} cannot be kept in ${store} (EFBIG)\n`]);
      const left = readdirSync(homeOf(readFileSync(from)));
      expect(left.filter((name) => name !== "component.wasm")).toEqual([]);
    },
  );
});
