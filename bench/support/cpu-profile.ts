import { readFileSync } from "node:fs";

/** What a `.cpuprofile` of Node holds, as far as it is read here. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** The node that was on top of the stack, for each sample. */
  readonly samples: readonly number[];
  /** Microseconds from the sample before. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
}

export interface HotSpot {
  readonly name: string;
  /** Of the time in which the thread did anything, 0–1. */
  readonly share: number;
}

export interface ProfileSummary {
  readonly busyMs: number;
  /** Self time by what the code belongs to, most first. */
  readonly groups: readonly HotSpot[];
  /** Self time by function, most first. */
  readonly functions: readonly HotSpot[];
}

/** Self times of one thread, over the last so many milliseconds: what came before was its start and its compilers. */
export function summarizeProfile(path: string, lastMs: number): ProfileSummary {
  const profile = JSON.parse(readFileSync(path, "utf8")) as CpuProfile;
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const groups = new Map<string, number>();
  const functions = new Map<string, number>();
  let busy = 0;
  let left = profile.timeDeltas.reduce((sum, time) => sum + time, 0);
  profile.samples.forEach((id, index) => {
    const node = nodes.get(id);
    const time = profile.timeDeltas[index] ?? 0;
    left -= time;
    if (left > lastMs * 1000 || node === undefined || node.callFrame.functionName === "(idle)") return;
    busy += time;
    const group = groupOf(node);
    groups.set(group, (groups.get(group) ?? 0) + time);
    const name = `${group.padEnd(GROUP_WIDTH)} ${nameOf(node)}`;
    functions.set(name, (functions.get(name) ?? 0) + time);
  });
  return { busyMs: busy / 1000, groups: sorted(groups, busy), functions: sorted(functions, busy) };
}

const GROUP_WIDTH = 14;

function groupOf({ callFrame: { functionName, url } }: ProfileNode): string {
  if (functionName === "(garbage collector)") return "GC";
  if (functionName === "(program)") return "outside of JS";
  if (url.startsWith("wasm://")) return "wasm";
  const dependency = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1];
  if (dependency !== undefined) return dependency;
  if (url.includes("/host/filter/")) return "host/filter";
  if (url.includes("/host/http1/")) return "host/http1";
  if (url.includes("/host/")) return "host";
  if (/^node:(net|stream|internal\/(stream|streams))/.test(url)) return "node:net";
  if (url.startsWith("node:")) return "node, other";
  // Built into V8 or Node's C++, and charged to whoever is on the stack in no other way.
  return "native";
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  const file = url.replace(/^.*\/(node_modules|host)\//, "").replace(/^wasm:.*$/, "wasm");
  return file === "" ? name : `${name} ${file}:${lineNumber + 1}`;
}

function sorted(times: ReadonlyMap<string, number>, total: number): HotSpot[] {
  return [...times]
    .map(([name, time]) => ({ name, share: total === 0 ? 0 : time / total }))
    .sort((a, b) => b.share - a.share);
}
