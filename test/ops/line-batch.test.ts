import { once } from "node:events";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LineBatch } from "../../host/ops/line-batch.ts";

describe("with a clock that the test turns", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("lines wait for others, but no longer than 100 ms after the first", () => {
    const posted: string[] = [];
    const batch = new LineBatch((lines) => posted.push(lines));
    batch.add("one\n");
    vi.advanceTimersByTime(60);
    batch.add("two\n");
    vi.advanceTimersByTime(39);
    expect(posted).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(posted).toEqual(["one\ntwo\n"]);
  });

  test("256 KiB of lines go out at once", () => {
    const posted: string[] = [];
    const batch = new LineBatch((lines) => posted.push(lines));
    const line = `${"x".repeat(1_023)}\n`;
    for (let count = 0; count < 255; count += 1) batch.add(line);
    expect(posted.length).toBe(0);
    batch.add(line);
    expect(posted.length).toBe(1);
    expect(posted[0] === line.repeat(256), "the batch has other lines").toBe(true);
  });

  test("a line that is longer than all room goes out alone, after those before it", () => {
    const posted: string[] = [];
    const batch = new LineBatch((lines) => posted.push(lines));
    const long = `${"x".repeat(600_000)}\n`;
    batch.add("before\n");
    batch.add(long);
    batch.add("after\n");
    batch.flush();
    expect(posted.map(({ length }) => length)).toEqual(
      ["before\n", long, "after\n"].map(({ length }) => length),
    );
  });

  test("a timer runs only while lines wait", () => {
    const batch = new LineBatch(() => {});
    expect(vi.getTimerCount()).toBe(0);
    batch.add("one\n");
    batch.add("two\n");
    expect(vi.getTimerCount()).toBe(1);
    batch.flush();
    expect(vi.getTimerCount(), "a timer outlived its lines").toBe(0);
    batch.add("three\n");
    expect(vi.getTimerCount(), "the second batch has no timer").toBe(1);
    vi.advanceTimersByTime(100);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a flush without lines posts nothing", () => {
    const post = vi.fn<(lines: string) => void>();
    const batch = new LineBatch(post);
    batch.flush();
    batch.add("one\n");
    batch.flush();
    batch.flush();
    vi.advanceTimersByTime(1_000);
    expect(post.mock.calls).toEqual([["one\n"]]);
  });

  test("whatever comes, every line is posted once, whole and in order", () => {
    const step = fc.oneof(
      fc
        .tuple(fc.string({ unit: "grapheme" }), fc.nat(10_000))
        .map(([text, times]) => ({ line: `${text.replaceAll("\n", "").repeat(times)}\n`, wait: 0 })),
      fc.nat(150).map((wait) => ({ line: "", wait })),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const posted: string[] = [];
        const batch = new LineBatch((lines) => posted.push(lines));
        for (const { line, wait } of steps) {
          if (line !== "") batch.add(line);
          vi.advanceTimersByTime(wait);
        }
        batch.flush();
        const all = steps.map(({ line }) => line).join("");
        expect(posted.join("") === all, "lines are missing, or others").toBe(true);
        expect(posted.every((lines) => lines.endsWith("\n"))).toBe(true);
      }),
    );
  });
});

test.each([
  { title: "lines that wait do not keep a worker alive", end: "", expected: [] },
  {
    title: "a worker that flushes before it ends loses no line",
    end: "batch.flush();",
    expected: ["last words\n"],
  },
])("$title", async ({ end, expected }) => {
  const source = `
    import { parentPort } from "node:worker_threads";
    import { LineBatch } from ${JSON.stringify(new URL("../../host/ops/line-batch.ts", import.meta.url).href)};
    const batch = new LineBatch((lines) => parentPort.postMessage(lines));
    batch.add("last words\\n");
    ${end}
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { execArgv: [] });
  const posted: unknown[] = [];
  worker.on("message", (lines) => posted.push(lines));
  await once(worker, "exit");
  expect(posted).toEqual(expected);
});
