import { type Profiler, Session } from "node:inspector/promises";
import type { Frame } from "../filter/fault.ts";
import type { KitFilter } from "./kit-filter.ts";

/** Records where the time goes while `work` is done, as a `.cpuprofile`, with the functions of `filter` by the names of their sources. */
export async function profiled(filter: KitFilter, work: () => Promise<void>): Promise<Profiler.Profile> {
  const session = new Session();
  session.connect();
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: SAMPLE_US });
    await session.post("Profiler.start");
    await work();
    const { profile } = await session.post("Profiler.stop");
    await nameFunctions(profile, (frames) => filter.functionsAt(frames));
    return profile;
  } finally {
    session.disconnect();
  }
}

/** How often it is looked, in microseconds. */
export const SAMPLE_US = 100;

/**
 * Chrome shows `functionName`, and goes by url and line: what the engine calls `wasm-function[7]` becomes a function of a file, as
 * `functionsAt` knows them.
 */
export async function nameFunctions(
  profile: Profiler.Profile,
  functionsAt: (frames: readonly Frame[]) => Promise<readonly string[]>,
): Promise<void> {
  const nodes = profile.nodes.flatMap(({ callFrame }) => {
    const { functionName, url, columnNumber: offset } = callFrame;
    if (!url.startsWith("wasm://") || functionName.startsWith("js-to-wasm")) return [];
    const index = /^wasm-function\[(\d+)\]$/.exec(functionName)?.[1];
    if (index === undefined) callFrame.functionName = demangled(functionName);
    return [{ callFrame, function: index === undefined ? UNKNOWN_FUNCTION : Number(index), offset }];
  });
  const places = await functionsAt(nodes.map(({ function: index, offset }) => ({ function: index, offset })));
  for (const [at, { callFrame }] of nodes.entries()) {
    const place = places[at] ?? "";
    const [, name = place, file, line] = /^(.*?) at (.*?):(\d+)(?::\d+)?$/s.exec(place) ?? [];
    if (name === "" || name.startsWith(UNNAMED)) continue;
    // What the component itself calls it has the whole path.
    if (callFrame.functionName.startsWith(UNNAMED)) callFrame.functionName = name;
    if (file === undefined) continue;
    callFrame.url = file;
    callFrame.lineNumber = Number(line) - 1;
    callFrame.columnNumber = 0;
  }
}

/** What the engine calls a function without a name, and what follows is its number. */
export const UNNAMED = "wasm-function[";

/** The engine gives a name or a number. With a name, only the place is asked for. */
const UNKNOWN_FUNCTION = 0xffff_ffff;

/** Rust's names as they were written: `_ZN4trap3end17h2a0bdfd515fdf39eE` is `trap::end`. Others stay as they are. */
export function demangled(name: string): string {
  const mangled = /^_ZN(.*)E$/s.exec(name)?.[1];
  if (mangled === undefined) return name;
  const parts: string[] = [];
  for (let rest = mangled; rest !== ""; ) {
    const [digits = ""] = /^\d+/.exec(rest) ?? [];
    if (digits === "") return name;
    const end = digits.length + Number(digits);
    parts.push(rest.slice(digits.length, end));
    rest = rest.slice(end);
  }
  if (/^h[0-9a-f]{16}$/.test(parts.at(-1) ?? "")) parts.pop();
  return parts.map(unescaped).join("::");
}

function unescaped(part: string): string {
  return part
    .replace(/^_(?=\$)/, "")
    .replaceAll("..", "::")
    .replaceAll(/\$(u[0-9a-f]+|[A-Z]+)\$/g, (whole, code: string) =>
      code.startsWith("u")
        ? String.fromCodePoint(Number.parseInt(code.slice(1), 16))
        : (ESCAPES[code] ?? whole),
    );
}

const ESCAPES: Readonly<Record<string, string>> = {
  SP: "@",
  BP: "*",
  RF: "&",
  LT: "<",
  GT: ">",
  LP: "(",
  RP: ")",
  C: ",",
};
