/** Each import of the contract, called with every kind of value, by the host's own path and by jco's: both end in the same. */
import { ClientAddress } from "../../host/client-address.ts";
import { NO_SENDER } from "../support/no-http.ts";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ArtifactStore } from "../../host/filter/artifact.ts";
import type { ExchangeFacts } from "../../host/filter/contract.ts";
import { DROP_AND_PROCEED, type Handmade, handmade, PROCEED } from "./handmade.ts";
import { type Account, LIMITS, type Story, temporaryStore, Twins } from "./twin.ts";

let store: ArtifactStore;
let folder: string;
let close: () => Promise<void>;
let made = 0;

beforeAll(() => {
  ({ store, folder, close } = temporaryStore());
});

afterAll(() => close());

const FACTS: Omit<ExchangeFacts, "metadata" | "metadataBytes"> = {
  requestId: "id-1",
  route: "routes[0] *é",
  protocol: "HTTP/1.0",
  tlsVersion: "TLSv1.3",
  clientAddress: new ClientAddress("::1"),
  http: NO_SENDER,
};

const STORY: Story = {
  method: "M-SEARCH",
  scheme: "https",
  authority: "a.test:8",
  path: "/p?q=%c3%a9",
  fields: ["X-A", "1", "x-b", "\xff\x00\xe9".replace("\0", "\t"), "x-a", "", "X-A", "3"],
  status: 404,
  responseFields: ["X-A", "1", "x-a", "\x80"],
  facts: FACTS,
  outcome: { ending: "timed-out", status: 0, durationUs: 1, requestBytes: 2, responseBytes: 3 },
};

/** What a handmade filter does with an exchange, once both ways of calling it have been found to agree. */
async function account(parts: Handmade, story: Story = STORY, config = "null"): Promise<Account> {
  made += 1;
  const twins = await Twins.load(store, await handmade(join(folder, `${made}.wasm`), parts));
  expect(twins.artifact.direct, "both would be jco's").toBe(true);
  const { direct, reference } = twins.pair(config);
  expect(direct.configure()).toEqual(reference.configure());
  const seen = direct.run(story);
  expect(seen).toEqual(reference.run(story));
  expect(direct.run(story), "the second exchange of the instance is another one").toEqual(seen);
  return seen;
}

/** Text in the guest's memory at 1024, and the two words that name a part of it. */
function words(text: string | Buffer): { beside: string; word: (part: string) => string } {
  const bytes = Buffer.from(text);
  const escaped = [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
  const word = (part: string): string => {
    const at = bytes.indexOf(part);
    expect(at, `${part} is not in the guest's memory`).toBeGreaterThanOrEqual(0);
    return `(i32.const ${1_024 + at}) (i32.const ${Buffer.byteLength(part)})`;
  };
  return { beside: `(data (i32.const 1024) "${escaped}")`, word };
}

/** The two words that a call has stored at 2048 or so. */
const stored = (at: number): string => `(i32.load (i32.const ${at})) (i32.load (i32.const ${at + 4}))`;

describe("heads", () => {
  const { beside, word } = words("x-seen x-a x-b none PUT /é /new b.test ");
  const copy = (call: string, at = 2_048): string =>
    `${call} (call $request-append (local.get $head) ${word("x-seen")} ${stored(at)})`;

  test("a request's method, scheme, authority and path are read as they came", async () => {
    const reads = ["method", "scheme", "authority", "path"].map((name) =>
      copy(`(call $request-${name} (local.get $head) (i32.const 2048))`),
    );
    const { request } = await account({ beside, onRequest: `${reads.join("")} ${DROP_AND_PROCEED}` });
    expect(request.fields.slice(8)).toEqual(
      ["M-SEARCH", "https", "a.test:8", "/p?q=%c3%a9"].flatMap((value) => ["x-seen", value]),
    );
  });

  test("the first of several values is found in any case, and none where there is none", async () => {
    const onRequest = `
      (call $request-header (local.get $head) ${word("x-a")} (i32.const 2048))
      (if (i32.load8_u (i32.const 2048)) (then ${copy("", 2_052)}))
      (call $request-header (local.get $head) ${word("x-b")} (i32.const 2048))
      (if (i32.load8_u (i32.const 2048)) (then ${copy("", 2_052)}))
      (call $request-header (local.get $head) ${word("none")} (i32.const 2048))
      (if (i32.load8_u (i32.const 2048)) (then ${copy("", 2_052)}))
      ${DROP_AND_PROCEED}`;
    const { request } = await account({ beside, onRequest });
    expect(request.fields.slice(8)).toEqual(["x-seen", "1", "x-seen", "\xff\t\xe9"]);
  });

  test("all values, and all fields, come in their order", async () => {
    // The second of the values, and the name of the third of the fields.
    const onRequest = `
      (call $request-values (local.get $head) ${word("x-a")} (i32.const 2048))
      (if (i32.ne (i32.load (i32.const 2052)) (i32.const 3)) (then unreachable))
      (call $request-append (local.get $head) ${word("x-seen")} ${element("(i32.load (i32.const 2048))", 16)})
      (call $request-headers (local.get $head) (i32.const 2048))
      (call $request-append (local.get $head) ${word("x-seen")} ${element("(i32.load (i32.const 2048))", 32)})
      ${DROP_AND_PROCEED}`;
    const { request } = await account({ beside, onRequest });
    expect(request.fields.slice(8)).toEqual(["x-seen", "3", "x-seen", "x-a"]);
  });

  test("edits are seen by the readers of the same call, and by the message after it", async () => {
    const onRequest = `
      (call $request-set-method (local.get $head) ${word("PUT")})
      (call $request-set-path (local.get $head) ${word("/new")})
      (call $request-set-authority (local.get $head) ${word("b.test")})
      (call $request-remove (local.get $head) ${word("x-b")})
      (call $request-set (local.get $head) ${word("x-a")} ${word("none")})
      ${copy("(call $request-path (local.get $head) (i32.const 2048))")}
      ${DROP_AND_PROCEED}`;
    const { request } = await account({ beside, onRequest });
    expect(request).toMatchObject({
      method: "PUT",
      path: "/new",
      authority: "b.test",
      fields: ["x-a", "none", "x-seen", "/new"],
    });
  });

  test("text that is not ASCII is refused where the contract asks for it, however it is encoded", async () => {
    const onRequest = `(call $request-set-path (local.get $head) ${word("/é")}) ${DROP_AND_PROCEED}`;
    const { calls, request } = await account({ beside, onRequest });
    expect(calls.at(-1)).toEqual([
      "on-request",
      expect.stringMatching(/^contract: set-path: .* is no path$/),
    ]);
    expect(request.path).toBe(STORY.path);
  });

  test("a response's status and fields are read and edited alike", async () => {
    const onResponse = `
      (call $response-set-status (local.get $head) (i32.add (call $response-status (local.get $head)) (i32.const 6)))
      (call $response-header (local.get $head) ${word("x-a")} (i32.const 2048))
      (call $response-set (local.get $head) ${word("x-seen")} ${stored(2_052)})
      (call $response-remove (local.get $head) ${word("x-a")})
      (call $drop-response (local.get $head)) ${PROCEED}`;
    const { response } = await account({ beside, onResponse, plan: [4] }, { ...STORY, method: "GET" });
    expect(response).toMatchObject({ status: 410, fields: ["x-seen", "1"] });
  });
});

describe("exchange-facts", () => {
  const { beside, word } = words("x-seen");

  test("come as they are, in UTF-8", async () => {
    const facts = ["request-id", "route", "filter-name", "protocol"].map(
      (name) =>
        `(call $${name} (i32.const 2048)) (call $request-append (local.get $head) ${word("x-seen")} ${stored(2_048)})`,
    );
    const options = ["tls-version", "client-address"].map(
      (name) =>
        `(call $${name} (i32.const 2048)) (if (i32.load8_u (i32.const 2048)) (then (call $request-append (local.get $head) ${word("x-seen")} ${stored(2_052)})))`,
    );
    const onRequest = `${[...facts, ...options].join("\n")} ${DROP_AND_PROCEED}`;
    const values = (found: Account): string[] =>
      found.request.fields
        .filter((_, index) => index > 8 && index % 2 === 1)
        .map((value) => Buffer.from(value, "latin1").toString("utf8"));
    const all = await account({ beside, onRequest });
    expect(values(all)).toEqual(["id-1", "routes[0] *é", "twin é", "HTTP/1.0", "TLSv1.3", "::1"]);
    const plain = await account(
      { beside, onRequest },
      { ...STORY, facts: { ...FACTS, tlsVersion: undefined } },
    );
    expect(values(plain)).toEqual(["id-1", "routes[0] *é", "twin é", "HTTP/1.0", "::1"]);
  });

  test("trap outside of an exchange", async () => {
    made += 1;
    const parts = { configure: "(call $request-id (i32.const 2048)) (i32.const 16)" };
    const twins = await Twins.load(store, await handmade(join(folder, `${made}.wasm`), parts));
    const { direct, reference } = twins.pair("null");
    expect(direct.configure()).toEqual({ log: [], refused: "contract: " });
    expect(reference.configure()).toHaveProperty("refused");
  });
});

describe("metadata", () => {
  const { beside, word } = words("text-é integer boolean bytes\xff x-seen");
  const set = (key: string, tag: number, word64: string, extra: string): string =>
    `(call $set-metadata ${word(key)} (i32.const ${tag}) ${word64} ${extra})`;
  const place = (part: string): [string, string] => {
    const [at = "", length = ""] = word(part).split(") ");
    return [`${at.replace("i32", "i64")})`, length];
  };
  const all = [
    set("text-é", 0, ...place("text-é")),
    set("integer", 1, "(i64.const -9223372036854775808)", "(i32.const 0)"),
    set("boolean", 2, "(i64.const 1)", "(i32.const 0)"),
    set("bytes", 3, ...place("bytes\xff")),
  ].join("\n");

  test("of every kind is kept for the filters behind", async () => {
    const { metadata } = await account({ beside, onRequest: `${all} ${DROP_AND_PROCEED}` });
    expect(metadata).toEqual([
      ["text-é", "text", "text-é"],
      ["integer", "integer", -(2n ** 63n)],
      ["boolean", "boolean", true],
      ["bytes", "bytes", "bytes\xc3\xbf"],
    ]);
  });

  test("of every kind is read back as it was set, and what is not there is not", async () => {
    // The value's words go into another key, as what they are.
    const again = `
      (call $metadata ${word("text-é")} (i32.const 2048))
      (if (i32.eqz (i32.load8_u (i32.const 2048))) (then unreachable))
      (if (i32.load8_u (i32.const 2056)) (then unreachable))
      (call $request-set (local.get $head) ${word("x-seen")} ${stored(2_064)})
      (call $metadata ${word("integer")} (i32.const 2048))
      (if (i32.ne (i32.load8_u (i32.const 2056)) (i32.const 1)) (then unreachable))
      (if (i64.ne (i64.load (i32.const 2064)) (i64.const -9223372036854775808)) (then unreachable))
      (call $metadata ${word("boolean")} (i32.const 2048))
      (if (i32.ne (i32.load8_u (i32.const 2056)) (i32.const 2)) (then unreachable))
      (if (i32.ne (i32.load8_u (i32.const 2064)) (i32.const 1)) (then unreachable))
      (call $metadata ${word("bytes\xff")} (i32.const 2048))
      (if (i32.load8_u (i32.const 2048)) (then unreachable))
      (call $metadata ${word("bytes")} (i32.const 2048))
      (if (i32.ne (i32.load (i32.const 2068)) (i32.const 7)) (then unreachable))`;
    const { calls, request } = await account({ beside, onRequest: `${all} ${again} ${DROP_AND_PROCEED}` });
    expect(calls[1]).toEqual(["on-request", undefined]);
    expect(Buffer.from(request.fields.at(-1) ?? "", "latin1").toString()).toBe("text-é");
  });

  test("beyond limits.metadata-bytes traps", async () => {
    const large = `(call $set-metadata ${word("text-é")} (i32.const 3) (i64.const 0) (i32.const ${LIMITS.metadataBytesMax}))`;
    const { calls, metadata } = await account({ beside, onRequest: `${large} ${DROP_AND_PROCEED}` });
    expect([calls.at(-1), metadata]).toEqual([["on-request", "size: "], []]);
  });
});

describe("log", () => {
  const { beside, word } = words(
    Buffer.concat([Buffer.from('message é\n" attribute value '), Buffer.from([0xff, 0xfe, 0x41])]),
  );
  const pair = (at: number, name: string, value: string): string => {
    const stores = [...word(name).matchAll(/\d+(?=\))/g), ...word(value).matchAll(/\d+(?=\))/g)].map(
      ([number]) => number,
    );
    const numbers = stores.filter((_, index) => index < 4);
    return numbers
      .map((number, index) => `(i32.store (i32.const ${at + index * 4}) (i32.const ${number}))`)
      .join(" ");
  };
  const line = (level: number, message: string, attributes = "(i32.const 0) (i32.const 0)"): string =>
    `(call $log (i32.const ${level}) ${message} ${attributes})`;

  test("lines of every level come with their attributes and the request's id", async () => {
    const onRequest = `
      ${pair(2_048, "attribute", "value")} ${pair(2_064, "value", 'message é\n"')}
      ${[0, 1, 2, 3, 4].map((level) => line(level, word("message é"), "(i32.const 2048) (i32.const 2)")).join("\n")}
      ${DROP_AND_PROCEED}`;
    const { log } = await account({ beside, onRequest });
    expect(log.map((text) => JSON.parse(text) as unknown)).toEqual(
      ["trace", "debug", "info", "warn", "error"].map((level) => [
        level,
        "id-1",
        "message é",
        [
          ["attribute", "value"],
          ["value", 'message é\n"'],
        ],
      ]),
    );
  });

  test("bytes that are no UTF-8 are shown as replacement characters", async () => {
    const at = 1_024 + Buffer.byteLength('message é\n" attribute value ');
    const { log } = await account({
      beside,
      onRequest: `${line(2, `(i32.const ${at}) (i32.const 3)`)} ${DROP_AND_PROCEED}`,
    });
    expect(log).toEqual([JSON.stringify(["info", "id-1", "\ufffd\ufffdA", []])]);
  });

  test("lines beyond limits.log-lines are dropped and counted, for each exchange anew", async () => {
    const onRequest = `(local $left i32) (local.set $left (i32.const 150))
      (loop $again ${line(2, word("message"))} (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      ${DROP_AND_PROCEED}`;
    const { log } = await account({ beside, onRequest });
    expect([log.length, log.filter((text) => text === "dropped").length]).toEqual([150, 50]);
  });

  test("a line beyond limits.log-line-bytes is cut", async () => {
    const { log } = await account({
      beside,
      onRequest: `${line(2, "(i32.const 0) (i32.const 30000)")} ${DROP_AND_PROCEED}`,
    });
    const [, , message] = JSON.parse(log[0] ?? "[]") as string[];
    expect(message?.length).toBe(LIMITS.logLineBytesMax);
  });

  test("more attributes than there is room for in a line are left out", async () => {
    const { log } = await account({
      beside,
      onRequest: `${line(2, word("message"), "(i32.const 4096) (i32.const 200)")} ${DROP_AND_PROCEED}`,
    });
    const [, , , attributes] = JSON.parse(log[0] ?? "[]") as unknown[][];
    expect(attributes?.length).toBe(32);
  });
});

/** The two words of the element at this offset of a list. */
function element(list: string, offset: number): string {
  return `(i32.load offset=${offset} ${list}) (i32.load offset=${offset + 4} ${list})`;
}
