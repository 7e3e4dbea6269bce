/** Guests that no compiler makes: they use handles, pointers and numbers against the contract. Each costs its call and its instance. */
import { ClientAddress } from "../../host/client-address.ts";
import { NO_SENDER } from "../support/no-http.ts";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ArtifactStore } from "../../host/filter/artifact.ts";
import { DROP_AND_PROCEED, type Handmade, handmade, PROCEED } from "./handmade.ts";
import { type Account, type Story, temporaryStore, Twins } from "./twin.ts";

let store: ArtifactStore;
let folder: string;
let close: () => Promise<void>;
let made = 0;

beforeAll(() => {
  ({ store, folder, close } = temporaryStore());
});

afterAll(() => close());

const STORY: Story = {
  method: "GET",
  scheme: "http",
  authority: "a.test",
  path: "/p",
  fields: ["X-A", "1", "X-B", "2"],
  status: 200,
  responseFields: ["X-A", "1"],
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

/** What the host's own path and jco's make of the last of some exchanges of a handmade filter. */
async function run(parts: Handmade, exchanges = 1): Promise<{ direct: Account; reference: Account }> {
  made += 1;
  const twins = await Twins.load(store, await handmade(join(folder, `${made}.wasm`), parts));
  expect(twins.artifact.direct, "the direct path does not know it").toBe(true);
  const { direct, reference } = twins.pair("null");
  let accounts = { direct: direct.run(STORY), reference: reference.run(STORY) };
  for (let index = 1; index < exchanges; index++)
    accounts = { direct: direct.run(STORY), reference: reference.run(STORY) };
  return accounts;
}

/** The call that failed, and how. jco's own path lets some of this pass: the host calls through it what is no filter of ours alone. */
async function failure(parts: Handmade): Promise<readonly [call: string, saying: unknown] | undefined> {
  return (await run(parts)).direct.calls.at(-1);
}

const SET =
  "(call $request-set (local.get $head) (i32.const 1024) (i32.const 1) (i32.const 1024) (i32.const 1))";
const NAME = '(data (i32.const 1024) "x")';

describe("handles", () => {
  test("one that is given back and not used again is fine", async () => {
    const { direct, reference } = await run({ beside: NAME, onRequest: `${SET} ${DROP_AND_PROCEED}` });
    expect(direct.request.fields).toEqual(["X-A", "1", "X-B", "2", "x", "x"]);
    expect(direct).toEqual(reference);
  });

  test.each<[string, Handmade]>([
    [
      "used after it was dropped",
      { beside: NAME, onRequest: `(call $drop-request (local.get $head)) ${SET} ${PROCEED}` },
    ],
    ["dropped twice", { onRequest: `(call $drop-request (local.get $head)) ${DROP_AND_PROCEED}` }],
    ["made up", { onRequest: `(call $request-path (i32.const 77) (i32.const 1024)) ${DROP_AND_PROCEED}` }],
    ["of nothing", { onRequest: `(call $request-path (i32.const 0) (i32.const 1024)) ${DROP_AND_PROCEED}` }],
    ["made up and dropped", { onRequest: `(call $drop-trailers (i32.const 1)) ${DROP_AND_PROCEED}` }],
    [
      "of another kind",
      { onRequest: `(drop (call $response-status (local.get $head))) ${DROP_AND_PROCEED}` },
    ],
  ])("one that is %s traps", async (_, parts) => {
    expect(await failure(parts)).toEqual(["on-request", "handle: "]);
  });

  test("one that is kept from an earlier call traps, even where the number is the same kind", async () => {
    const kept = `
      (if (i32.eqz (global.get $kept))
        (then (global.set $kept (local.get $head)))
        (else (call $request-path (global.get $kept) (i32.const 1024))))
      ${DROP_AND_PROCEED}`;
    const { direct } = await run({ beside: "(global $kept (mut i32) (i32.const 0))", onRequest: kept }, 2);
    expect(direct.calls).toEqual([
      ["open", undefined],
      ["on-request", "handle: "],
    ]);
  });

  test("one that is not given back breaks the contract, and the edits of its call are gone", async () => {
    const { direct } = await run({ beside: NAME, onRequest: `${SET} ${PROCEED}` });
    expect(direct.calls.at(-1)).toEqual([
      "on-request",
      "handle: the call returned without dropping the handle that it was lent",
    ]);
    expect(direct.request.fields).toEqual(STORY.fields);
  });
});

describe("the host is not called while it stores a value", () => {
  test.each([
    ["an edit", SET.replace("(local.get $head)", "(global.get $lent)")],
    [
      "a line of the log",
      "(call $log (i32.const 2) (i32.const 1024) (i32.const 1) (i32.const 0) (i32.const 0))",
    ],
    ["a fact", "(call $request-id (i32.const 2048))"],
  ])("%s out of cabi_realloc traps", async (_, call) => {
    const parts: Handmade = {
      beside: `${NAME} (global $lent (mut i32) (i32.const 0))`,
      // Not the first time, which is for the configuration.
      realloc: `(if (global.get $lent) (then ${call})) (i32.const 4096)`,
      onRequest: `
        (global.set $lent (local.get $head))
        (call $request-path (local.get $head) (i32.const 2048))
        ${DROP_AND_PROCEED}`,
    };
    expect(await failure(parts)).toEqual(["on-request", "reentry: "]);
  });
});

describe("pointers", () => {
  const path = `(call $request-path (local.get $head) (i32.const 2048)) ${DROP_AND_PROCEED}`;
  const headers = `(call $request-headers (local.get $head) (i32.const 2048)) ${DROP_AND_PROCEED}`;
  const armed = (place: string): Handmade => ({
    beside: "(global $armed (mut i32) (i32.const 0))",
    realloc: `(if (result i32) (global.get $armed) (then ${place}) (else (i32.const 4096)))`,
  });
  const arm = "(global.set $armed (i32.const 1))";

  test.each<[string, Handmade]>([
    ["room outside of the memory", { ...armed("(i32.const -16)"), onRequest: `${arm} ${path}` }],
    ["room at the memory's very end", { ...armed("(i32.const 65535)"), onRequest: `${arm} ${path}` }],
    ["room for a list that is not aligned", { ...armed("(i32.const 4097)"), onRequest: `${arm} ${headers}` }],
    [
      "a result to be stored outside of the memory",
      { onRequest: `(call $request-path (local.get $head) (i32.const -4)) ${DROP_AND_PROCEED}` },
    ],
    ["a name outside of the memory", { onRequest: edit(65_536, 1, 1_024, 1) }],
    ["a name that ends outside of it", { onRequest: edit(65_530, 10, 1_024, 1) }],
    ["a value longer than all there is", { beside: NAME, onRequest: edit(1_024, 1, 1_024, -1) }],
    [
      "attributes of a log line outside of it",
      {
        onRequest: `(call $log (i32.const 2) (i32.const 1024) (i32.const 0) (i32.const 65532) (i32.const 4)) ${DROP_AND_PROCEED}`,
      },
    ],
    ["a decision outside of it", { onRequest: `(call $drop-request (local.get $head)) (i32.const 65536)` }],
    ["a decision far outside of it", { onRequest: `(call $drop-request (local.get $head)) (i32.const -1)` }],
    [
      "a reply whose fields lie outside of it",
      {
        beside: reply(65_530, 2, 0, 0),
        onRequest: `(call $drop-request (local.get $head)) (i32.const 1088)`,
      },
    ],
    [
      "a reply whose body lies outside of it",
      {
        beside: reply(0, 0, 65_530, 100),
        onRequest: `(call $drop-request (local.get $head)) (i32.const 1088)`,
      },
    ],
  ])("to %s trap", async (_, parts) => {
    expect(await failure(parts)).toEqual(["on-request", "contract: "]);
  });

  test("a reply of more than there can be is refused before anything of it is copied", async () => {
    const onRequest = "(call $drop-request (local.get $head)) (i32.const 1088)";
    for (const beside of [reply(0, 0x7fffffff, 0, 0), reply(0, 0, 0, 0x7fffffff)]) {
      const { direct } = await run({ beside, onRequest });
      expect(direct.calls.at(-1)).toEqual(["on-request", "size: reply: more than 1048576 bytes"]);
    }
  });

  test("memory that grows while a value is stored is found where it is then", async () => {
    const { direct, reference } = await run({
      beside: "(global $grown (mut i32) (i32.const 65536))",
      realloc: `
        (drop (memory.grow (i32.const 1)))
        (global.get $grown)
        (global.set $grown (i32.add (global.get $grown) (i32.const 65536)))`,
      // The path becomes a header's value: what was stored in the new memory is read back out of it.
      onRequest: `
        (call $request-path (local.get $head) (i32.const 2048))
        (call $request-set (local.get $head)
          (i32.add (i32.load (i32.const 2048)) (i32.const 1)) (i32.const 1)
          (i32.load (i32.const 2048)) (i32.load (i32.const 2052)))
        ${DROP_AND_PROCEED}`,
    });
    expect(direct.request.fields).toEqual(["X-A", "1", "X-B", "2", "p", "/p"]);
    expect(direct).toEqual(reference);
  });
});

describe("numbers", () => {
  const message = "(i32.const 1024) (i32.const 1) (i32.const 0) (i32.const 0)";

  test.each<[string, Handmade]>([
    ["log level", { onRequest: `(call $log (i32.const 5) ${message}) ${DROP_AND_PROCEED}` }],
    [
      "log level that is asked about",
      { onRequest: `(drop (call $log-enabled (i32.const 9))) ${DROP_AND_PROCEED}` },
    ],
    [
      "kind of metadata",
      {
        onRequest: `(call $set-metadata (i32.const 1024) (i32.const 1) (i32.const 4) (i64.const 0) (i32.const 0)) ${DROP_AND_PROCEED}`,
      },
    ],
  ])("that are no %s trap", async (_, parts) => {
    expect(await failure(parts)).toEqual(["on-request", "contract: "]);
  });

  test("that are no case of a decision break the contract", async () => {
    const parts = {
      beside: '(data (i32.const 1088) "\\02")',
      onRequest: "(call $drop-request (local.get $head)) (i32.const 1088)",
    };
    expect(await failure(parts)).toEqual(["on-request", "contract: 2 is no case of a decision"]);
  });
});

function edit(name: number, nameLength: number, value: number, valueLength: number): string {
  const numbers = [name, nameLength, value, valueLength].map((number) => `(i32.const ${number})`).join(" ");
  return `(call $request-set (local.get $head) ${numbers}) ${DROP_AND_PROCEED}`;
}

/** A decision at 1088: a reply of 200 with fields and a body at these places. */
function reply(fields: number, count: number, body: number, length: number): string {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt8(1, 0);
  bytes.writeUInt16LE(200, 4);
  [fields, count, body, length].forEach((word, index) => bytes.writeUInt32LE(word, 8 + index * 4));
  return `(data (i32.const 1088) "${[...bytes].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("")}")`;
}
