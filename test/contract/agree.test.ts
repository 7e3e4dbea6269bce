/** The host's own calls and jco's, of the same artifact, side by side: whatever can be seen of them must be the same. */
import { ClientAddress } from "../../host/client-address.ts";
import { NO_SENDER } from "../support/no-http.ts";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ArtifactStore } from "../../host/filter/artifact.ts";
import { ENDINGS } from "../../host/filter/contract.ts";
import { BREAKS } from "../support/fixture.ts";
import { component } from "../support/test-host.ts";
import { LIMITS, type Story, temporaryStore, Twins } from "./twin.ts";

let store: ArtifactStore;
let close: () => Promise<void>;

beforeAll(() => {
  ({ store, close } = temporaryStore());
});

afterAll(() => close());

/**
 * Runs the same exchanges through both, on instances that are used again as long as no call has failed. Gives the number
 * of exchanges, so that none of it can come to nothing unseen.
 */
async function agreed(
  name: string,
  config: fc.Arbitrary<unknown>,
  story: fc.Arbitrary<Story>,
  numRuns: number,
): Promise<number> {
  let count = 0;
  const twins = await Twins.load(store, component(name));
  expect(twins.artifact.direct, "both would be jco's").toBe(true);
  fc.assert(
    fc.property(config, fc.array(story, { minLength: 1, maxLength: 4 }), (settings, stories) => {
      const { direct, reference } = twins.pair(JSON.stringify(settings));
      const configured = direct.configure();
      expect(configured).toEqual(reference.configure());
      if ("refused" in configured) return;
      for (const each of stories) expect(direct.run(each)).toEqual(reference.run(each));
      count += stories.length;
    }),
    { numRuns },
  );
  return count;
}

/** Names that configurations and messages have in common, so that edits meet something. */
const NAMES = ["X-A", "x-a", "X-B", "accept", "Set-Cookie", "x-break", "Authorization"];
const TOKEN = fc.oneof(fc.constantFrom(...NAMES), fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}$/));

/** Any byte that a field may hold, as one code unit each; some of them long. */
const VALUE = fc.oneof(
  { weight: 8, arbitrary: bytes(0, 40) },
  { weight: 1, arbitrary: fc.constantFrom("", "é", "\x80", "Basic YQ==", "none") },
  { weight: 1, arbitrary: bytes(16_000, 16_384) },
);

const FIELDS = fc.array(fc.tuple(TOKEN, VALUE), { maxLength: 12 }).map((fields) => fields.flat());

function bytes(minLength: number, maxLength: number): fc.Arbitrary<string> {
  const byte = fc.oneof(
    fc.constantFrom(9),
    fc.integer({ min: 0x20, max: 0x7e }),
    fc.integer({ min: 0x80, max: 0xff }),
  );
  return fc.array(byte, { minLength, maxLength, size: "max" }).map((codes) => String.fromCharCode(...codes));
}

/** Any exchange that can come to a filter. */
function stories(
  path: fc.Arbitrary<string> = PATH,
  fields: fc.Arbitrary<string[]> = FIELDS,
): fc.Arbitrary<Story> {
  return fc.record({
    method: fc.oneof(
      fc.constantFrom("GET", "POST", "OPTIONS"),
      fc.stringMatching(/^[A-Z!#$%&'*+^_`|~-]{1,10}$/),
    ),
    scheme: fc.constantFrom("http" as const, "https" as const),
    authority: fc.constantFrom("", "example.com", "example.com:8080", "[::1]:1", "a,b"),
    path,
    fields,
    status: fc.integer({ min: 200, max: 599 }),
    responseFields: fields,
    facts: fc.record({
      requestId: fc.stringMatching(/^[\w-]{1,20}$/),
      route: fc.oneof(
        fc.constantFrom("main", "routes[0] *.a/é"),
        fc.string({ unit: "grapheme", maxLength: 20 }),
      ),
      protocol: fc.constantFrom("HTTP/1.1", "HTTP/1.0"),
      tlsVersion: fc.constantFrom(undefined, "TLSv1.3"),
      clientAddress: fc.constantFrom(new ClientAddress("127.0.0.1"), new ClientAddress("::1")),
      http: fc.constant(NO_SENDER),
    }),
    outcome: fc.record({
      ending: fc.constantFrom(...ENDINGS),
      status: fc.constantFrom(0, 200, 599),
      durationUs: fc.double({ min: 0, max: 1e12, noNaN: true }),
      requestBytes: fc.nat(),
      responseBytes: fc.maxSafeNat(),
    }),
  });
}

const PATH = fc.stringMatching(/^\/[!-~]{0,40}$/);

describe("the direct path agrees with the reference", () => {
  test("on headers, whatever its configuration", async () => {
    const text = fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom("1", "", "{request-id}", "{route}", "a{{b", "é") },
      { weight: 20, arbitrary: fc.stringMatching(/^[ -z|~]{0,12}$/) },
      // Of requests or responses alone, and of neither.
      {
        weight: 2,
        arbitrary: fc.constantFrom("{method}{path}", "{header:x-a}", "{header:Set-Cookie}", "{status}"),
      },
      { weight: 1, arbitrary: fc.constantFrom("{", "{unknown}", "a\r\nb", "\0") },
    );
    const name = fc.oneof(
      { weight: 40, arbitrary: TOKEN },
      { weight: 1, arbitrary: fc.constantFrom("host", "a b", "", "Connection") },
    );
    const edits = fc.record(
      {
        remove: fc.array(name, { maxLength: 3 }),
        set: fc.dictionary(name, text, { maxKeys: 3 }),
        append: fc.dictionary(name, fc.oneof(text, fc.array(text, { maxLength: 3 })), { maxKeys: 3 }),
      },
      { requiredKeys: [] },
    );
    const settings = fc.record({ request: edits, response: edits }, { requiredKeys: [] });
    const count = await agreed(
      "headers",
      fc.oneof({ weight: 9, arbitrary: settings }, { weight: 1, arbitrary: fc.jsonValue() }),
      stories(),
      150,
    );
    expect(count).toBeGreaterThan(100);
  });

  test.each(["empty", "two-reads-one-write", "all-headers", "reply"])(
    "on probe, which does %s",
    async (work) => {
      expect(await agreed("probe", fc.constant({ work }), stories(), 60)).toBeGreaterThan(10);
    },
  );

  test("on api-key, with keys that are known and others", async () => {
    const known = "72ee9d4355ccb9d3a4c9dbf37382e38e75c1b1a225b5bd1f729ee91bbda30c20";
    const config = fc.constantFrom<unknown>(
      { keys: { alice: known } },
      { sha256: [known], header: "authorization" },
      { keys: { alice: [known, "0".repeat(64)] }, "name-header": "X-Name", realm: "é" },
      { keys: { alice: "short" } },
      { header: "a b" },
      {},
    );
    const key = fc.tuple(
      fc.constantFrom("x-api-key", "X-API-KEY", "authorization"),
      fc.constantFrom("alice-key", "guess", "\xff"),
    );
    const fields = fc
      .tuple(FIELDS, fc.array(key, { maxLength: 2 }))
      .map(([some, keys]) => [...some, ...keys.flat()]);
    expect(await agreed("api_key", config, stories(PATH, fields), 120)).toBeGreaterThan(10);
  });

  test("on rules, which breaks each of them", async () => {
    const broken = fc.constantFrom("none", ...BREAKS).map((name) => ["x-break", name]);
    const fields = fc.tuple(broken, FIELDS).map(([first, others]) => [...first, ...others]);
    expect(await agreed("rules", fc.constant(null), stories(PATH, fields), 120)).toBeGreaterThan(10);
  });

  test("on rules under the narrowest limits", async () => {
    const twins = await Twins.load(store, component("rules"));
    const limits = { ...LIMITS, editsMax: 1, editBytesMax: 8, replyBytesMax: 1 };
    fc.assert(
      fc.property(stories(PATH, fc.constant(["x-break", "none"])), (story) => {
        const { direct, reference } = twins.pair("null", limits);
        expect(direct.run(story)).toEqual(reference.run(story));
      }),
      { numRuns: 20 },
    );
  });

  test("on trap, which ends its instance in every way", async () => {
    const path = fc.constantFrom(
      "/",
      "/panic",
      "/panic-response",
      "/panic-end",
      "/panic-drop",
      "/panic-edited",
      "/unreachable",
      "/overflow",
      "/overflow-memory",
      "/oob",
      "/exit",
    );
    expect(await agreed("trap", fc.constant(null), stories(path), 100)).toBeGreaterThan(10);
  });

  test("on bodies, whatever it is asked to do with chunks, whole bodies and trailers", async () => {
    const act = fc.constantFrom(
      "pass",
      "raise",
      "wrap",
      "measure",
      "drop",
      "hold",
      "count",
      "reply",
      "reset",
      "panic",
      "obey",
    );
    const way = fc.record({
      act,
      take: fc.constantFrom<unknown>("stream", { whole: 9 }),
      trailers: fc.boolean(),
    });
    const config = fc.record({
      name: fc.constantFrom("a", "é"),
      request: way,
      response: way,
      end: fc.boolean(),
    });
    const word = fc.constantFrom("raise", "wrap", "drop", "hold", "reply", "reset", "panic", "");
    const piece = fc.oneof(
      { weight: 3, arbitrary: word },
      { weight: 3, arbitrary: bytes(0, 40) },
      bytes(16_000, 16_384),
    );
    const what = fc.constantFrom("remove", "reply", "refused", "untrailing", "panic", "none");
    const bodies = fc.record({
      pieces: fc.array(piece, { maxLength: 6 }),
      trailers: fc.tuple(what, FIELDS).map(([first, fields]) => ["x-do", first, ...fields]),
    });
    const story = fc.tuple(stories(), bodies).map(([plain, some]) => ({ ...plain, bodies: some }));
    expect(await agreed("bodies", config, story, 100)).toBeGreaterThan(50);
  });

  test("on bad-config, which does not come out of configure", async () => {
    const config = fc.constantFrom<unknown>(
      {},
      {},
      {},
      { how: null },
      { how: "error" },
      { how: "panic" },
      { how: "other" },
      null,
      "é",
      1,
    );
    expect(await agreed("bad_config", config, stories(), 60)).toBeGreaterThan(0);
  });

  test("on mark, whose instance serves one exchange after the other", async () => {
    expect(
      await agreed("mark", fc.record({ mark: fc.stringMatching(/^[ -~]{0,20}$/) }), stories(), 60),
    ).toBeGreaterThan(10);
  });
});
