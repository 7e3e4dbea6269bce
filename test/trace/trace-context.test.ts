/** W3C Trace Context: what is taken for a trace, and what goes on of it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatTraceParent,
  readTraceContext,
  readTraceParent,
  readTraceState,
} from "../../host/trace/trace-context.ts";
import { RequestHead } from "../../host/message.ts";
import { Tracer } from "../../host/trace/tracer.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const PARENT = `00-${TRACE}-${SPAN}-01`;

const DIGITS = Array.from("0123456789abcdef");

const digits = (count: number): fc.Arbitrary<string> =>
  fc
    .string({ unit: fc.constantFrom(...DIGITS), minLength: count, maxLength: count })
    .filter((text) => !/^0*$/.test(text));

describe("traceparent", () => {
  test.each([
    ["as it should be", PARENT],
    ["of a later version", `01-${TRACE}-${SPAN}-01`],
    ["of a later version, with more at its end", `cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`],
    ["of a later version, with nothing more than a dash", `fe-${TRACE}-${SPAN}-01-`],
    ["with flags that nobody knows yet", `00-${TRACE}-${SPAN}-fd`],
  ])("is read %s", (_, value) => {
    expect(readTraceParent(value)).toEqual({ traceId: TRACE, parentId: SPAN, flags: 1 });
  });

  test.each([
    ["version ff", `ff-${TRACE}-${SPAN}-01`],
    ["more at the end of version 00", `${PARENT}-x`],
    ["a dash at the end of version 00", `${PARENT}-`],
    ["more without a dash in a later version", `01-${TRACE}-${SPAN}-01x`],
    ["a trace of zeros", `00-${"0".repeat(32)}-${SPAN}-01`],
    ["a span of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
    ["capitals in the trace", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ["capitals in the span", `00-${TRACE}-${SPAN.toUpperCase()}-01`],
    ["capitals in the flags", `00-${TRACE}-${SPAN}-0A`],
    ["capitals in the version", `0A-${TRACE}-${SPAN}-01`],
    ["a version of one digit", `0-${TRACE}-${SPAN}-01`],
    ["a trace that is too short", `00-${TRACE.slice(1)}-${SPAN}-01`],
    ["a span that is too long", `00-${TRACE}-${SPAN}0-01`],
    ["flags of one digit", `00-${TRACE}-${SPAN}-1`],
    ["no flags", `00-${TRACE}-${SPAN}`],
    ["other dashes", `00_${TRACE}_${SPAN}_01`],
    ["two in one field", `${PARENT},${PARENT}`],
    ["a space before it", ` ${PARENT}`],
    ["a line end after it", `${PARENT}\n`],
    ["nothing", ""],
  ])("is none with %s", (_, value) => {
    expect(readTraceParent(value)).toBeUndefined();
  });

  test("what is written is read, and of what is changed by a character nothing but its flags and ids is left", () => {
    const parts = fc.record({
      traceId: digits(32),
      parentId: digits(16),
      flags: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(parts, fc.nat(), fc.string({ minLength: 1, maxLength: 1 }), (part, at, character) => {
        const written = formatTraceParent(part.traceId, part.parentId, part.flags);
        expect(readTraceParent(written)).toEqual(part);
        const place = at % written.length;
        const read = readTraceParent(written.slice(0, place) + character + written.slice(place + 1));
        if (read === undefined) return;
        expect(character).toMatch(/[0-9a-f-]/);
        expect(formatTraceParent(read.traceId, read.parentId, read.flags)).toHaveLength(written.length);
      }),
    );
  });

  test("twice it is none, whatever the two say, and its name has any case", () => {
    expect(readTraceContext(["TraceParent", PARENT])?.traceId).toBe(TRACE);
    expect(readTraceContext(["traceparent", PARENT, "Traceparent", PARENT])).toBeUndefined();
    expect(readTraceContext(["trace-parent", PARENT, "tracestate", "a=1"])).toBeUndefined();
  });
});

describe("tracestate", () => {
  const longest = "k".repeat(256);

  test.each([
    ["one member", "a=1", "a=1"],
    ["members in their order", "b=1,a=2,c=3", "b=1,a=2,c=3"],
    ["white space around members", " a=1 \t,\t b=2 ", "a=1,b=2"],
    ["members of nothing", ",a=1,, ,b=2,", "a=1,b=2"],
    ["a key of a tenant", "fw529a3039@dt=FfAz", "fw529a3039@dt=FfAz"],
    ["a key that begins with a digit (level 2)", "1a=1", "1a=1"],
    ["all characters of a key", "a_-*/@0=1", "a_-*/@0=1"],
    ["a value with spaces, but not at its end", "a= x y", "a= x y"],
    [
      "all other characters of a value",
      "a=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~",
      "a=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~",
    ],
    ["the longest key", `${longest}=1`, `${longest}=1`],
    ["a key twice: the newer one is the first", "a=1,b=2,a=3", "a=1,b=2"],
  ])("keeps %s", (_, value, kept) => {
    expect(readTraceState(value)).toBe(kept);
  });

  test.each([
    ["a capital in a key", "A=1"],
    ["a key that is too long", `${longest}k=1`],
    ["no key", "=1"],
    ["no value", "a="],
    ["no equals sign", "a"],
    ["two equals signs", "a=1=2"],
    ["a space in a key", "a b=1"],
    ["a space before the equals sign", "a =1"],
    ["a key that begins with a sign", "_a=1"],
    ["a control character", "a=1\u0001"],
    ["a character beyond ASCII", "a=é"],
    ["a value that is too long", `a=${"v".repeat(257)}`],
    ["one wrong member of many", "a=1,b,c=3"],
  ])("is dropped with %s", (_, value) => {
    expect(readTraceState(value)).toBe("");
  });

  test("it has at most 32 members", () => {
    const members = (count: number): string => Array.from({ length: count }, (_, at) => `k${at}=1`).join();
    expect(readTraceState(members(32))).toBe(members(32));
    expect(readTraceState(members(33))).toBe("");
  });

  test("of more than 512 characters whole members go: those over 128 first, then the last ones", () => {
    const long = `long=${"x".repeat(200)}`;
    const short = (at: number): string => `s${at}=${"y".repeat(60)}`;
    const many = [long, ...Array.from({ length: 9 }, (_, at) => short(at))];
    const kept = readTraceState(many.join());
    expect(kept).toBe(Array.from({ length: 8 }, (_, at) => short(at)).join());
    expect(kept.length).toBeLessThanOrEqual(512);
  });

  test("several fields are one list, and a trace goes on without a state that is not in order", () => {
    const fields = ["tracestate", "a=1", "traceparent", PARENT, "TRACESTATE", "b=2", "tracestate", ""];
    expect(readTraceContext(fields)?.state).toBe("a=1,b=2");
    expect(readTraceContext([...fields, "tracestate", "A"])).toMatchObject({ traceId: TRACE, state: "" });
  });

  test("whatever comes, what goes on is short, in order, and read as it is", () => {
    const member = fc
      .tuple(fc.stringMatching(/^[a-z0-9][a-z0-9_*/@-]{0,8}$/), fc.stringMatching(/^[!-+]{1,200}$/))
      .map(([key, value]) => `${key}=${value}`);
    fc.assert(
      fc.property(fc.array(fc.oneof(member, fc.string({ maxLength: 4 })), { maxLength: 40 }), (members) => {
        const given = members.join();
        const kept = readTraceState(given);
        expect(kept.length).toBeLessThanOrEqual(512);
        expect(readTraceState(kept)).toBe(kept);
        const sources = given.split(",").map((part) => part.trim());
        let from = -1;
        for (const part of kept === "" ? [] : kept.split(",")) {
          from = sources.indexOf(part, from + 1);
          expect(from, `${part} is not where it was`).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});

describe("a tracer", () => {
  const headOf = (fields: string[]) => new RequestHead("GET", "http", "", "/", fields);

  const begin = (sample: number, given: readonly string[] = []) => {
    const fields = [...given];
    return { trace: new Tracer(sample).begin(headOf(fields), ""), fields };
  };

  test("continues what is sampled: the same trace, the client's span as parent, one field for each of the two", () => {
    const { trace, fields } = begin(0, [
      "accept",
      "a",
      "tracestate",
      "a=1",
      "Traceparent",
      PARENT,
      "tracestate",
      "b=2",
    ]);
    expect(trace).toMatchObject({ traceId: TRACE, parentId: SPAN, state: "a=1,b=2" });
    const own = `00-${TRACE}-${trace?.spanId}-01`;
    expect(fields).toEqual(["accept", "a", "traceparent", own, "tracestate", "a=1,b=2"]);
    const lines = [trace?.next(), trace?.next()];
    expect(lines).toEqual(trace?.tries.map((id) => `traceparent: 00-${TRACE}-${id}-01\r\n`));
    expect(new Set([SPAN, trace?.spanId, ...(trace?.tries ?? [])]).size).toBe(4);
  });

  test("tells those who come next what it was told of the trace's randomness, and no flag that it does not know", () => {
    const flags = (given: string): string | undefined =>
      begin(0, ["traceparent", `00-${TRACE}-${SPAN}-${given}`]).trace?.traceparent.slice(-2);
    expect([flags("03"), flags("01"), flags("ff"), flags("f9")]).toEqual(["03", "01", "03", "01"]);
  });

  test("touches nothing of a trace that is not sampled, however much of its own it samples", () => {
    const given = ["traceparent", `00-${TRACE}-${SPAN}-02`, "tracestate", "A=,", "tracestate", "a=1"];
    expect(begin(100, given)).toEqual({ trace: undefined, fields: given });
  });

  test("samples about the share that it is told of the traces that begin here, by their ids", () => {
    const tracer = new Tracer(25);
    let sampled = 0;
    for (let round = 0; round < 4_000; round++) {
      const fields: string[] = [];
      const isSampled = tracer.begin(headOf(fields), "") !== undefined;
      if (isSampled) sampled += 1;
      const [, traceId = "", , flags] = fields[1]?.split("-") ?? [];
      expect(flags).toBe(isSampled ? "03" : "02");
      // Level 2's randomness is in the last 56 bits: a share of 25 % has their two highest bits set.
      expect(Number.parseInt(traceId.slice(18, 20), 16) >= 0xc0).toBe(isSampled);
    }
    expect(sampled).toBeGreaterThan(800);
    expect(sampled).toBeLessThan(1_200);
    expect(begin(100).trace).toBeDefined();
    expect(begin(0).trace).toBeUndefined();
  });
});
