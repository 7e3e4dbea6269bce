/** Where in its sources a filter has failed: the log says it in names and lines. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, afterAll, expect, test } from "vitest";
import { sectionsOf } from "../../host/filter/sections.ts";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component } from "../support/test-host.ts";

/** Built with names and lines, unlike the other filters. */
const TRAP = component("trap");

const { path, connect } = makeStage();

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-stack-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** The stack of the failure that a request leads to. */
async function stackOf(file: string, target: string): Promise<readonly string[]> {
  const { host } = await path(undefined, {
    filters: { own: { component: file } },
    routes: [{ upstream: "main", filters: ["own"] }],
  });
  const client = await connect(host);
  expect((await client.ask(request(target))).status).toBe(500);
  const [line] = await host.lines("the failure", ({ msg }) => msg === "filter failed");
  return line?.["stack"] as readonly string[];
}

/** The component without what is known of its sources: the same code, byte for byte. */
function stripped(file: string): Buffer {
  return rewritten(readFileSync(file), (id, contents) => {
    if (id === 0) return undefined;
    // A component's core module.
    return id === 1
      ? rewritten(Buffer.from(contents), (inner, bytes) => (inner === 0 ? undefined : bytes))
      : contents;
  });
}

function rewritten(
  bytes: Buffer,
  keep: (id: number, contents: Uint8Array) => Uint8Array | undefined,
): Buffer {
  const parts: Uint8Array[] = [bytes.subarray(0, 8)];
  for (const { id, contents } of sectionsOf(bytes)) {
    const kept = keep(id, contents);
    if (kept !== undefined) parts.push(Buffer.from([id, ...leb(kept.length)]), kept);
  }
  return Buffer.concat(parts);
}

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

const SOURCE = readFileSync(
  join(import.meta.dirname, "..", "..", "filters", "fixtures", "trap", "src", "lib.rs"),
  "utf8",
).split("\n");

/** The number of the line that has this text, the first one being 1. */
function lineOf(text: string): number {
  return SOURCE.findIndex((line) => line.includes(text)) + 1;
}

const FALLS = new RegExp(
  `^trap::fall at .*filters/fixtures/trap/src/lib\\.rs:${lineOf('panic!("{message}")')}:\\d+$`,
);

test("the stack of a panic begins where the filter's code called it, with names and lines", async () => {
  const stack = await stackOf(TRAP, "/panic");
  expect(stack[0]).toMatch(FALLS);
  const caller = lineOf('fall("panicked in on_request")');
  expect(stack.slice(1).join("\n")).toMatch(
    new RegExp(`on_request at .*filters/fixtures/trap/src/lib\\.rs:${caller}:\\d+`),
  );
  expect(stack.join("\n"), "mangled names").not.toMatch(/_ZN|_RNv|17h[0-9a-f]{16}/);
});

test("a trap without a panic has its stack, too", async () => {
  const stack = await stackOf(TRAP, "/oob");
  expect(stack.join("\n")).toMatch(/^read_outside at .*filters\/fixtures\/trap\/src\/lib\.rs:\d+:\d+$/m);
});

test("a component without names has them from the file beside it", async () => {
  const file = join(folder, "own.wasm");
  writeFileSync(file, stripped(TRAP));
  const bare = await stackOf(file, "/panic");
  expect(new Set(bare.map((place) => /^wasm-function\[\d+\]:0x[0-9a-f]+$/.test(place)))).toEqual(
    new Set([true]),
  );
  copyFileSync(TRAP, join(folder, "own.debug.wasm"));
  expect((await stackOf(file, "/panic"))[0]).toMatch(FALLS);
});

test("a file of another build beside it is worse than none, and is not read", async () => {
  const own = join(folder, "another.wasm");
  writeFileSync(own, stripped(TRAP));
  copyFileSync(component("mark"), join(folder, "another.debug.wasm"));
  expect((await stackOf(own, "/panic"))[0]).toMatch(/^wasm-function\[/);
});
