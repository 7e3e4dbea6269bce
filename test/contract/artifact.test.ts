/** What the host makes of a file: an artifact, or one sentence that says why not. */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ArtifactStore } from "../../host/filter/artifact.ts";
import { ArtifactRefused } from "../../host/filter/contract.ts";
import { component } from "../support/test-host.ts";
import { contract, dummy, handmade } from "./handmade.ts";
import { temporaryStore } from "./twin.ts";

let store: ArtifactStore;
let folder: string;
let close: () => Promise<void>;
let made = 0;

beforeAll(() => {
  ({ store, folder, close } = temporaryStore());
});

afterAll(() => close());

/** A file that is not there yet. */
function place(): string {
  made += 1;
  return join(folder, `${made}.wasm`);
}

function fileOf(bytes: Uint8Array | string): string {
  const file = place();
  writeFileSync(file, bytes);
  return file;
}

/** The sentence that a file is refused with, without the file's name at its beginning. */
async function refusal(file: string, sha256?: string): Promise<string> {
  const error: unknown = await store.load(file, sha256).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ArtifactRefused);
  const { message } = error as ArtifactRefused;
  expect(message.startsWith(`${file} `), message).toBe(true);
  return message.slice(file.length + 1);
}

/** A component of the contract's package, in which something else stands, and of this world. */
function other(instead: readonly [string, string], world = "export filter;"): Promise<string> {
  const wit = contract();
  expect(wit).toContain(instead[0]);
  return dummy(place(), `${wit.replace(...instead)}\nworld other { ${world} }`, "other");
}

const SAME = ["package", "package"] as const;

describe("a file that is no component is refused", () => {
  test("when it is not there, or is a folder", async () => {
    expect(await refusal(join(folder, "none.wasm"))).toBe("cannot be read (ENOENT)");
    expect(await refusal(folder)).toBe("cannot be read (EISDIR)");
  });

  test.each([
    ["nothing", ""],
    ["text", "not a component"],
    ["a part of the magic number", "\0as"],
  ])("when it holds %s", async (_, text) => {
    expect(await refusal(fileOf(text))).toBe("is no WebAssembly file: it does not begin with \\0asm");
  });

  test("when it is a core module", async () => {
    const module = await parse("(module)");
    expect(await refusal(fileOf(module))).toBe(
      "is a core module and no component: build it with --target wasm32-wasip2",
    );
  });

  test("when it is cut off, wherever", async () => {
    const whole = readFileSync(component("mark"));
    for (const length of [9, 100, 1_000, Math.floor(whole.length / 2), whole.length - 1]) {
      expect(await refusal(fileOf(whole.subarray(0, length))), String(length)).toMatch(
        /^is no valid component: \S/,
      );
    }
  });

  test("when its digest is not the one that was asked for, before anything else is looked at", async () => {
    const bytes = "not a component";
    const digest = createHash("sha256").update(bytes).digest("hex");
    const asked = "0".repeat(64);
    expect(await refusal(fileOf(bytes), asked)).toBe(`has the digest ${digest}, and ${asked} was asked for`);
  });

  test("in order, whatever bytes of it were changed", async () => {
    const whole = readFileSync(await handmade(place(), {}));
    const change = fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, difference] of changes) bytes[at] = (bytes[at] ?? 0) ^ difference;
        const result: unknown = await store.load(fileOf(bytes), undefined).catch((reason: unknown) => reason);
        // Some bytes mean nothing. What matters is that nothing else comes out of it.
        const inOrder =
          result instanceof ArtifactRefused || typeof (result as { digest?: unknown }).digest === "string";
        expect(inOrder, String(result)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

describe("a component that is no filter is refused", () => {
  const wit =
    "package a:b; interface x { f: func(); } world nothing {} world others { export x; export run: func(); }";

  test("when it exports nothing, or something else", async () => {
    const missing = "does not export sluice:filter/filter@0.1.0: it exports";
    expect(await refusal(await dummy(place(), wit, "nothing"))).toBe(`${missing} nothing`);
    expect(await refusal(await dummy(place(), wit, "others"))).toBe(`${missing} run, a:b/x`);
  });

  test("when it is of another version of the contract", async () => {
    const file = await dummy(place(), `${contract("0.2.0")}\nworld other { export filter; }`, "other");
    expect(await refusal(file)).toBe(
      "exports sluice:filter/filter@0.2.0, and this host serves sluice:filter/filter@0.1.0: build it with the SDK of that version",
    );
  });

  test.each([
    [
      "a method returns something else",
      [
        "on-response: func(response: borrow<response>) -> decision;",
        "on-response: func(response: borrow<response>) -> string;",
      ],
      "exchange.on-response is (response: Response): Decision there, and (response: Response): string in the component",
    ],
    ["a method is missing", ["on-end: func(outcome: outcome);", ""], "it has no exchange.on-end"],
    [
      "there is one too many",
      ["on-end: func(outcome: outcome);", "on-end: func(outcome: outcome);\non-start: func();"],
      "exchange.on-start is not part of it",
    ],
    [
      "the cases of an enum are in another order",
      ["complete,\n        /// The client went away first.\n        client-gone,", "client-gone, complete,"],
      "ending is = 'complete' | 'client-gone' | 'upstream-failed' | 'filter-failed' | 'timed-out' | 'refused' there, " +
        "and = 'client-gone' | 'complete' | 'upstream-failed' | 'filter-failed' | 'timed-out' | 'refused' in the component",
    ],
  ] as const)(
    "when its export has the contract's name and not its shape: %s",
    async (_, instead, difference) => {
      expect(await refusal(await other(instead))).toBe(
        `exports sluice:filter/filter@0.1.0, but not as the contract has it: ${difference}`,
      );
    },
  );

  test.each([
    [
      "types",
      ["path: func() -> string;", "path: func() -> u32;"],
      "request.path is (): string there, and (): number in the component",
    ],
    [
      "log",
      ["enabled: func(level: level) -> bool;", "enabled: func() -> bool;"],
      "enabled is (level: Level): boolean there, and (): boolean in the component",
    ],
    [
      "exchange-facts",
      ["route: func() -> string;", "route: func() -> string;\nsecret: func() -> string;"],
      "secret is not part of it",
    ],
  ] as const)(
    "when an import has the contract's name and not its shape: %s",
    async (name, instead, difference) => {
      expect(await refusal(await other(instead, `import ${name}; export filter;`))).toBe(
        `imports sluice:filter/${name}@0.1.0, but not as the contract has it: ${difference}`,
      );
    },
  );
});

describe("an import that the host does not give is refused by its name", () => {
  test.each([
    ["wasi:sockets/tcp@0.2.6", "wasi:sockets@0.2.6", "tcp"],
    ["wasi:http/outgoing-handler@0.2.6", "wasi:http@0.2.6", "outgoing-handler"],
    ["wasi:clocks/monotonic-clock@0.3.1", "wasi:clocks@0.3.1", "monotonic-clock"],
    ["acme:tools/thing", "acme:tools", "thing"],
  ])("%s", async (name, pack, interfaceName) => {
    const wit = `${contract()}\nworld w { import ${name}; export filter; }\npackage ${pack} { interface ${interfaceName} { f: func(); } }`;
    expect(await refusal(await dummy(place(), wit, "w"))).toBe(
      `imports ${name}, which the host does not offer to any filter`,
    );
  });

  test("a function of no interface", async () => {
    expect(await refusal(await other(SAME, "import helper: func(); export filter;"))).toBe(
      "imports helper, which the host does not offer to any filter",
    );
  });
});

test("an import that is there for its types alone counts for none", async () => {
  // Its world has the store, for the errors of the rate limit.
  const { imports } = await store.load(component("limited"), undefined);
  expect(imports.filter((name) => name.startsWith("sluice:"))).toEqual([
    "sluice:filter/types@0.1.0",
    "sluice:filter/rate-limit@0.1.0",
  ]);
});

describe("a component that the host's own path does not know", () => {
  test("runs through jco's", async () => {
    const artifact = await store.load(await handmade(place(), { destructor: false }), undefined);
    expect(artifact.direct).toBe(false);
  });
});

describe("what was transpiled once", () => {
  /** The only folder that the store has made for these bytes. */
  function kept(file: string): string {
    const found = readdirSync(homeOf(file)).filter((name) => name !== "component.wasm");
    expect(found.length).toBe(1);
    return join(homeOf(file), found[0] ?? "");
  }

  async function loadAnew(file: string): Promise<Awaited<ReturnType<ArtifactStore["load"]>>> {
    const another = new ArtifactStore(folder);
    try {
      return await another.load(file, undefined);
    } finally {
      await another.close();
    }
  }

  test("is one artifact for all files with these bytes, as long as anybody has it", async () => {
    const copy = place();
    copyFileSync(component("mark"), copy);
    expect(await store.load(copy, undefined)).toBe(await store.load(component("mark"), undefined));
  });

  test("is not transpiled again by the next process", async () => {
    const first = await store.load(component("mark"), undefined);
    const before = snapshot(kept(component("mark")));
    const second = await loadAnew(component("mark"));
    expect(snapshot(kept(component("mark")))).toEqual(before);
    expect({ ...second, main: undefined, linked: undefined }).toEqual({
      ...first,
      main: undefined,
      linked: undefined,
    });
    expect(WebAssembly.Module.exports(second.main)).toEqual(WebAssembly.Module.exports(first.main));
  });

  test.each<[string, (home: string) => void]>([
    ["its record is no JSON", (home) => writeFileSync(join(home, "artifact.json"), "{")],
    ["its record is something else", (home) => writeFileSync(join(home, "artifact.json"), "null")],
    ["its record is gone", (home) => rmSync(join(home, "artifact.json"))],
    ["a module is gone", (home) => rmSync(moduleOf(home))],
    ["a module is cut off", (home) => truncateSync(moduleOf(home), 100)],
    ["its script is gone", (home) => rmSync(join(home, "component.js"))],
    ["it is empty", (home) => readdirSync(home).forEach((name) => rmSync(join(home, name)))],
  ])("is transpiled again when %s", async (_, damage) => {
    const file = await handmade(place(), { beside: `(global i32 (i32.const ${made}))` });
    await store.load(file, undefined);
    const before = readdirSync(kept(file)).sort();
    damage(kept(file));
    const artifact = await loadAnew(file);
    expect(artifact.direct).toBe(true);
    expect(readdirSync(kept(file)).sort()).toEqual(before);
  });

  test("leaves nothing else behind in the folder", () => {
    const strange = readdirSync(folder).filter((name) => !/^(sha256|\d+\.wasm)$/.test(name));
    expect(strange).toEqual([]);
    const homes = readdirSync(join(folder, "sha256"));
    expect(homes.filter((name) => !/^[0-9a-f]{64}$/.test(name))).toEqual([]);
    const beside = homes.flatMap((home) => readdirSync(join(folder, "sha256", home)));
    expect(beside.filter((name) => !/^(component\.wasm|jco-.+-\d+)$/.test(name))).toEqual([]);
  });

  test("is not there when the component was refused", async () => {
    const file = await other(SAME, "import helper: func(); export filter;");
    await refusal(file);
    expect(existsSync(homeOf(file))).toBe(false);
  });

  test("nor is what is no component, whatever it is", async () => {
    const file = fileOf("a secret");
    await refusal(file);
    expect(existsSync(homeOf(file))).toBe(false);
  });
});

/** Where the store keeps these bytes. */
function homeOf(file: string): string {
  return join(folder, "sha256", createHash("sha256").update(readFileSync(file)).digest("hex"));
}

function moduleOf(home: string): string {
  const { main } = JSON.parse(readFileSync(join(home, "artifact.json"), "utf8")) as { main: string };
  return join(home, main);
}

/** What would differ if any file had been written again. */
function snapshot(home: string): [string, number, number][] {
  return readdirSync(home)
    .sort()
    .map((name) => {
      const { ino, mtimeMs } = statSync(join(home, name));
      return [name, ino, mtimeMs];
    });
}
