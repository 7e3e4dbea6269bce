/** What a filter hands to the version after it, by both ways of calling: they must agree, and trust nothing. */
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClientAddress } from "../../host/client-address.ts";
import type { ArtifactStore } from "../../host/filter/artifact.ts";
import { NO_SENDER } from "../support/no-http.ts";
import { component } from "../support/test-host.ts";
import { contract, dummy, type Handmade, handmade, RESTORED } from "./handmade.ts";
import { LIMITS, type Said, type Story, temporaryStore, type Twin, Twins } from "./twin.ts";

let store: ArtifactStore;
let folder: string;
let close: () => Promise<void>;
let made = 0;

beforeAll(() => {
  ({ store, folder, close } = temporaryStore());
});

afterAll(() => close());

const DIGEST = "0123456789abcdef".repeat(4);

const STORY: Story = {
  method: "GET",
  scheme: "http",
  authority: "a",
  path: "/",
  fields: [],
  status: 200,
  responseFields: [],
  facts: {
    requestId: "id",
    route: "main",
    protocol: "HTTP/1.1",
    tlsVersion: undefined,
    clientAddress: new ClientAddress("::1"),
    http: NO_SENDER,
  },
  outcome: { ending: "complete", status: 200, durationUs: 1, requestBytes: 0, responseBytes: 0 },
};

function place(): string {
  made += 1;
  return join(folder, `${made}.wasm`);
}

async function pairOf(parts: Handmade, limits = LIMITS): Promise<{ direct: Twin; reference: Twin }> {
  const twins = await Twins.load(store, await handmade(place(), parts));
  expect(twins.artifact).toMatchObject({ direct: true, state: true });
  return twins.pair("null", limits);
}

/** What both ways have come to. */
async function both(parts: Handmade, act: (twin: Twin) => Said, limits = LIMITS): Promise<Said> {
  const { direct, reference } = await pairOf(parts, limits);
  const said = act(direct);
  expect(said).toEqual(act(reference));
  return said;
}

const save = (twin: Twin): Said => twin.save();
const restore = (twin: Twin): Said => twin.restore(DIGEST, "a state");

/** Stores a pair of words at 2048, and leaves a pointer to it. */
function pair(at: string, length: string): string {
  return `(i32.store (i32.const 2048) ${at}) (i32.store (i32.const 2052) ${length}) (i32.const 2048)`;
}

/** A refusal whose sentence is at this place. */
function refusal(at: string, length: string): string {
  return `
    (i32.store8 (i32.const 2048) (i32.const 1))
    (i32.store (i32.const 2052) ${at}) (i32.store (i32.const 2056) ${length}) (i32.const 2048)`;
}

describe("an artifact", () => {
  test("is known to have a state, or to have none", async () => {
    expect((await store.load(component("count"), undefined)).state).toBe(true);
    expect((await store.load(component("mark"), undefined)).state).toBe(false);
  });

  test("whose shape the direct path does not know can have a state, too", async () => {
    const file = await handmade(place(), { save: pair("(i32.const 1)", "(i32.const 0)"), destructor: false });
    expect(await store.load(file, undefined)).toMatchObject({ direct: false, state: true });
  });

  test.each([
    [
      "another version of it",
      contract().replaceAll("interface state {", "interface state-of-old {"),
      "export filter; export state-of-old;",
      "exports sluice:filter/state-of-old@0.1.0, and this host serves sluice:filter/state@0.1.0: build it with the SDK of that version",
    ],
    [
      "a call that is missing",
      contract().replace(/@since\(version = 0\.1\.0\)\s+restore: func.*;/, ""),
      "export filter; export state;",
      "exports sluice:filter/state@0.1.0, but not as the contract has it: it has no restore",
    ],
    [
      "a call of another type",
      contract().replace("save: func() -> list<u8>;", "save: func() -> string;"),
      "export filter; export state;",
      "exports sluice:filter/state@0.1.0, but not as the contract has it: save is (): Uint8Array there, and (): string in the component",
    ],
  ])("with %s is refused", async (_, wit, exports, sentence) => {
    const file = await dummy(place(), `${wit}\nworld other { ${exports} }`, "other");
    await expect(store.load(file, undefined)).rejects.toThrow(`${file} ${sentence}`);
  });
});

describe("the direct path agrees with the reference", () => {
  test("on count, whatever its configuration and the state", async () => {
    let handed = 0;
    const twins = await Twins.load(store, component("count"));
    expect(twins.artifact.direct, "both would be jco's").toBe(true);
    const config = fc.record({
      save: fc.constantFrom<unknown>("count", "nothing", "panic", { long: 5_000 }, { long: 1_048_577 }),
      restore: fc.constantFrom("count", "refuse", "panic", "log"),
    });
    const state = fc.oneof(
      { weight: 2, arbitrary: fc.nat().map((count) => `${count} here`) },
      { weight: 1, arbitrary: fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 40 }) },
      { weight: 1, arbitrary: fc.nat({ max: 100_000 }).map((length) => "\xff".repeat(length + 1)) },
    );
    fc.assert(
      fc.property(config, state, fc.nat({ max: 3 }), (settings, before, exchanges) => {
        const { direct, reference } = twins.pair(JSON.stringify(settings));
        const told = direct.restore(DIGEST, before);
        expect(told).toEqual(reference.restore(DIGEST, before));
        for (let index = 0; index < exchanges; index++)
          expect(direct.run(STORY)).toEqual(reference.run(STORY));
        const saved = direct.save();
        expect(saved).toEqual(reference.save());
        // An instance that has saved goes on, and one that has trapped is another one.
        expect(direct.run(STORY)).toEqual(reference.run(STORY));
        if (told.result === undefined && typeof saved.result === "string") handed += 1;
      }),
      { numRuns: 120 },
    );
    expect(handed).toBeGreaterThan(10);
  });

  test("on count that saves without end", async () => {
    const { direct, reference } = (await Twins.load(store, component("count"))).pair('{"save":"spin"}');
    expect(direct.save()).toEqual({ failure: "fuel: ", log: [] });
    expect(reference.save()).toEqual({ failure: "fuel: ", log: [] });
  });
});

describe("what is handed over", () => {
  test("comes as it was saved, with the digest", async () => {
    const digest = refusal("(local.get $digest)", "(local.get $digest-length)");
    expect(await both({ restore: digest }, restore)).toEqual({ result: DIGEST, log: [] });
    const state = refusal("(local.get $state)", "(local.get $length)");
    expect(await both({ restore: state }, restore)).toEqual({ result: "a state", log: [] });
  });

  test("is a copy: what the instance does with its memory later changes nothing", async () => {
    const parts: Handmade = {
      beside: '(data (i32.const 1024) "as it was")',
      save: pair("(i32.const 1024)", "(i32.const 9)"),
      onRequest: `
        (i32.store8 (i32.const 1024) (i32.const 88))
        (call $drop-request (local.get $head)) (i32.const 48)`,
    };
    const { direct } = await pairOf(parts);
    const before = direct.save();
    direct.run(STORY);
    expect([before.result, direct.save().result]).toEqual(["as it was", "Xs it was"]);
  });

  test("is measured before it is taken: at limits.state-bytes and beyond", async () => {
    const limits = { ...LIMITS, stateBytesMax: 9 };
    const parts = (length: number): Handmade => ({
      beside: '(data (i32.const 1024) "0123456789")',
      save: pair("(i32.const 1024)", `(i32.const ${length})`),
    });
    expect((await both(parts(9), save, limits)).result).toBe("012345678");
    expect((await both(parts(10), save, limits)).result).toBe(10);
  });

  test("may be nothing", async () => {
    expect((await both({ save: RESTORED }, save)).result).toBe("");
  });

  test("does not tell a secret when it is refused", async () => {
    const parts: Handmade = {
      beside: '(data (i32.const 1024) "no swordfish here")',
      restore: refusal("(i32.const 1024)", "(i32.const 17)"),
    };
    const { result } = await both(parts, restore);
    expect(result).toMatch(/^no \S+ here$/);
    expect(result).not.toContain("swordfish");
  });
});

describe("a call fails", () => {
  test.each<[string, (twin: Twin) => Said, Handmade]>([
    ["when the pair lies outside of the memory", save, { save: "(i32.const 65532)" }],
    ["when the pair lies far outside of it", save, { save: "(i32.const -4)" }],
    ["when the result lies outside of it", restore, { restore: "(i32.const 65536)" }],
    [
      "when the sentence lies outside of it",
      restore,
      { restore: refusal("(i32.const 65530)", "(i32.const 7)") },
    ],
    ["when there is no room for the state", restore, { realloc: "(i32.const 65530)", restore: RESTORED }],
  ])("%s", async (_, act, parts) => {
    expect(await both(parts, act)).toEqual({ failure: "contract: ", log: [] });
  });

  test.each<[string, Handmade]>([
    ["when the state lies outside of the memory", { save: pair("(i32.const 65530)", "(i32.const 7)") }],
    ["when its length is made up", { save: pair("(i32.const 1024)", "(i32.const -1)") }],
    ["when its place is made up", { save: pair("(i32.const -1)", "(i32.const 1)") }],
  ])("%s; jco gives what there is of it", async (_, parts) => {
    const { direct } = await pairOf(parts);
    expect(direct.save()).toEqual({ failure: "contract: ", log: [] });
  });

  test("when the result of a restore is no case of it", async () => {
    const { direct } = await pairOf({
      restore: "(i32.store8 (i32.const 2048) (i32.const 2)) (i32.const 2048)",
    });
    expect(direct.restore(DIGEST, "x").failure).toBe("contract: 2 is no case of a result");
  });

  test("when it asks for what only an exchange has, also between two exchanges", async () => {
    const asking: Handmade = {
      save: `(call $route (i32.const 2048)) ${RESTORED}`,
      restore: `(call $route (i32.const 2048)) ${RESTORED}`,
    };
    for (const act of [save, restore])
      expect(await both(asking, act)).toEqual({ failure: "contract: ", log: [] });
    const between = (twin: Twin): Said => {
      expect(twin.run(STORY).calls.at(-1)).toEqual(["close", undefined]);
      return twin.save();
    };
    expect(await both(asking, between)).toEqual({ failure: "contract: ", log: [] });
  });
});

test("each call may log as many lines as an exchange, and belongs to none", async () => {
  const line = "(call $log (i32.const 2) (i32.const 1024) (i32.const 2) (i32.const 0) (i32.const 0))";
  const parts: Handmade = {
    beside: '(data (i32.const 1024) "hi")',
    save: `${line} ${line} ${line} ${RESTORED}`,
    onRequest: `${line} ${line} (call $drop-request (local.get $head)) (i32.const 48)`,
  };
  const limits = { ...LIMITS, logLinesMax: 2 };
  const after = (twin: Twin): Said => {
    expect(twin.run(STORY).log).toEqual(['["info","id","hi",[]]', '["info","id","hi",[]]']);
    return twin.save();
  };
  const { log } = await both(parts, after, limits);
  expect(log).toEqual(['["info",null,"hi",[]]', '["info",null,"hi",[]]', "dropped"]);
});
