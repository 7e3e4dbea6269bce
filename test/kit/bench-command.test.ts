/** `sluice bench`: what is measured, what is compared, and a profile that names the filter's functions. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bench, type CaseCost, excesses, type PhaseCost } from "../../host/kit/bench.ts";
import { Kit } from "../../host/kit/engine.ts";
import { demangled } from "../../host/kit/profile.ts";
import { sluice } from "../cli/command.ts";
import { COMPILED, caseFolder, casesOf, component, temporaryFolder } from "./kit.ts";

const QUICK = ["--cases", ".", "--time", "40", "--artifacts", COMPILED];

test("each phase of each case has its time, fuel and memory, beside those of an earlier component", async () => {
  const kit = new Kit(COMPILED);
  const mark = component("mark");
  const cases = casesOf("name: marked\nconfig: { mark: v1 }\n");
  const [cost] = (await bench(kit, cases, { component: mark, against: mark, ms: 40 }, () => {})) as [
    CaseCost,
  ];
  await kit.close();
  expect(cost.name).toBe("marked");
  expect(cost.phases.map(({ phase }) => phase)).toEqual(["open", "request", "response", "close", "exchange"]);
  for (const { phase, timeUs, fuel, memoryBytes } of cost.phases) {
    expect(timeUs.p99, phase).toBeGreaterThanOrEqual(timeUs.median);
    expect(fuel.median, phase).toBeGreaterThan(0);
    expect(memoryBytes, phase).toBeGreaterThan(65_536);
  }
  expect(
    cost.against?.map(({ fuel }) => fuel.median),
    "the same component consumes the same",
  ).toEqual(cost.phases.map(({ fuel }) => fuel.median));
});

test("a table is printed, and what costs more than the budget allows makes the code 2", async () => {
  using place = temporaryFolder();
  caseFolder(place.folder, { "a.yaml": "name: nothing special\n" });
  // Without a configuration the earlier one wants no phase at all.
  const words = ["bench", component("trap"), "--against", component("headers"), "--budget", "10%"];
  const { code, stdout } = await sluice([...words, ...QUICK], { cwd: place.folder });
  expect(code).toBe(2);
  expect(stdout).toMatch(
    /^nothing special \(\d+ exchanges\)\n +time median +p99 +fuel median +p99 +memory\n {2}open /,
  );
  expect(stdout).toMatch(/^over the budget: fuel of exchange in “nothing special”: 0.00 before, \d/m);
});

test("fuel and memory count in every phase, time as a whole and beyond its noise", () => {
  const phase = (name: PhaseCost["phase"], us: number, fuel: number, memoryBytes: number): PhaseCost => ({
    phase: name,
    timeUs: { median: us, p99: us },
    fuel: { median: fuel, p99: fuel },
    memoryBytes,
  });
  const cost = (now: PhaseCost[], before: PhaseCost[]): CaseCost => ({
    name: "c",
    exchanges: 1,
    phases: now,
    against: before,
  });
  const before = [phase("request", 1, 100, 65_536), phase("exchange", 10, 200, 65_536)];
  expect(excesses([cost(before, before)], 0.1)).toEqual([]);
  expect(
    excesses([cost([phase("request", 9, 111, 65_536), phase("exchange", 10.9, 211, 65_536)], before)], 0.1),
  ).toMatchObject([{ phase: "request", what: "fuel", before: 100, now: 111 }]);
  expect(excesses([cost([phase("exchange", 11.1, 200, 131_072)], before)], 0.1)).toMatchObject([
    { what: "time" },
    { what: "memory" },
  ]);
  const small = [phase("exchange", 0.4, 200, 65_536)];
  expect(excesses([cost([phase("exchange", 0.8, 200, 65_536)], small)], 0.1)).toEqual([]);
});

test("a profile opens in Chrome: its functions have the names, files and lines of the sources", async () => {
  using place = temporaryFolder();
  caseFolder(place.folder, {
    "a.yaml": "name: busy\nrequest: { path: /busy }\nlimits: { fuel: 2000000000 }\n",
  });
  const { code, stderr } = await sluice(["bench", component("trap"), "--profile", "p.cpuprofile", ...QUICK], {
    cwd: place.folder,
  });
  expect([code, stderr]).toEqual([0, "p.cpuprofile written\n"]);
  const profile = JSON.parse(readFileSync(join(place.folder, "p.cpuprofile"), "utf8")) as {
    nodes: { callFrame: { functionName: string; url: string; lineNumber: number } }[];
    samples: number[];
    timeDeltas: number[];
  };
  expect(profile.samples.length).toBe(profile.timeDeltas.length);
  const frames = profile.nodes.map(({ callFrame }) => callFrame);
  const own = frames.find(({ functionName }) => functionName.startsWith("trap::"));
  expect(own, frames.map(({ functionName }) => functionName).join("\n")).toBeDefined();
  expect(own?.url).toMatch(/filters\/fixtures\/trap\/src\/lib\.rs$/);
  expect(own?.lineNumber).toBeGreaterThan(0);
});

test("names are written as in the sources", () => {
  expect(demangled("_ZN4trap3end17h2a0bdfd515fdf39eE")).toBe("trap::end");
  expect(
    demangled(
      "_ZN60_$LT$trap..Trap$u20$as$u20$sluice_filter..filter..Filter$GT$10on_request17ha102385cc9e96e0aE",
    ),
  ).toBe("<trap::Trap as sluice_filter::filter::Filter>::on_request");
  expect(demangled("malloc")).toBe("malloc");
  expect(demangled("_ZNxE")).toBe("_ZNxE");
});

test("a budget needs something to be compared with", async () => {
  using place = temporaryFolder();
  const { code, stderr } = await sluice(["bench", component("mark"), "--budget", "10%"], {
    cwd: place.folder,
  });
  expect([code, stderr]).toEqual([1, "sluice: a budget needs --against: something to be compared with\n"]);
});
