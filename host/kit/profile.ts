import { type Profiler, Session } from "node:inspector/promises";
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
    await nameFunctions(profile, filter);
    return profile;
  } finally {
    session.disconnect();
  }
}

const SAMPLE_US = 100;

/** Chrome shows `functionName`, and goes by url and line: what the engine calls `wasm-function[7]` becomes a function of a file. */
async function nameFunctions(profile: Profiler.Profile, filter: KitFilter): Promise<void> {
  const nodes = profile.nodes.flatMap(({ callFrame }) => {
    const index = /^wasm-function\[(\d+)\]$/.exec(callFrame.functionName)?.[1];
    return index === undefined ? [] : [{ callFrame, function: Number(index), offset: callFrame.columnNumber }];
  });
  const places = await filter.functionsAt(nodes.map(({ function: index, offset }) => ({ function: index, offset })));
  for (const [at, { callFrame }] of nodes.entries()) {
    const place = places[at] ?? "";
    const [, name = place, file, line] = /^(.*?) at (.*?):(\d+)(?::\d+)?$/s.exec(place) ?? [];
    if (name === "" || /^wasm-function\[/.test(name)) continue;
    callFrame.functionName = name;
    if (file === undefined) continue;
    callFrame.url = file;
    callFrame.lineNumber = Number(line) - 1;
    callFrame.columnNumber = 0;
  }
}
