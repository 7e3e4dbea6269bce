import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Progress } from "../../host/cli/progress.ts";

const terminal = Object.getOwnPropertyDescriptor(process.stderr, "isTTY");
let said: string[];

beforeEach(() => {
  said = [];
  vi.useFakeTimers({ toFake: ["performance"] });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => said.push(String(text)) > 0);
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  if (terminal === undefined) Reflect.deleteProperty(process.stderr, "isTTY");
  else Object.defineProperty(process.stderr, "isTTY", terminal);
});

function showing(isTTY: boolean, afterMs: number): string[] {
  Object.defineProperty(process.stderr, "isTTY", { value: isTTY, configurable: true });
  {
    using progress = new Progress("pushing f.wasm");
    vi.advanceTimersByTime(afterMs);
    progress.show(1_048_576, 4_194_304);
  }
  return said;
}

test("what takes over a second tells on a terminal how far it is, and leaves nothing there", () => {
  expect(showing(true, 1_001)).toEqual(["\rpushing f.wasm: 1.0 of 4.0 MiB\u{1b}[K", "\r\u{1b}[K"]);
});

test.each([
  ["what is faster", true, 999],
  ["what nobody watches", false, 60_000],
])("%s says nothing", (_, isTTY, afterMs) => {
  expect(showing(isTTY, afterMs)).toEqual([]);
});
