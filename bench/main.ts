/**
 * All measurements, one after the other:
 *
 *   npm run bench
 *   npm run bench -- swap trial  some of them
 *   npm run bench -- --quick     fewer and shorter rounds: whether it works, not how fast
 *   npm run --silent bench -- --json
 */
import { parseArgs } from "node:util";
import { measureBodies, printBodies } from "./body.ts";
import { measureCalls, printCalls } from "./call.ts";
import { measureFuel, printFuel } from "./fuel.ts";
import { measureHostFunctions, printHostFunctions } from "./host-functions.ts";
import { measureHttpClient, printHttpClient } from "./http-client.ts";
import { measureObserving, printObserving } from "./observe.ts";
import { measurePhases, printPhases } from "./phases.ts";
import { measureProxies, printProxies } from "./proxy.ts";
import { measureSwaps, printSwaps } from "./swap.ts";
import { measureTrials, printTrials } from "./trial.ts";
import { cleanUpAtExit } from "./support/child.ts";
import { buildProbe } from "./support/filters.ts";
import { keepReport } from "./support/report.ts";

/** Measures, and keeps and prints the report. Gives none where what it takes is not there. */
type Measurement = (quick: boolean, print: boolean) => Promise<object | undefined>;

function measurement<Report extends object>(
  name: string,
  measure: (quick: boolean) => Promise<Report | undefined>,
  printReport: (report: Report) => void,
): Measurement {
  return async (quick, print) => {
    const report = await measure(quick);
    if (report === undefined) return undefined;
    keepReport(name, report);
    if (print) printReport(report);
    return report;
  };
}

const MEASUREMENTS: Readonly<Record<string, Measurement>> = {
  call: measurement("call", measureCalls, printCalls),
  body: measurement("body", measureBodies, printBodies),
  phases: measurement("phases", measurePhases, printPhases),
  fuel: measurement("fuel", measureFuel, printFuel),
  "host-functions": measurement("host-functions", measureHostFunctions, printHostFunctions),
  "http-client": measurement("http-client", measureHttpClient, printHttpClient),
  trial: measurement("trial", measureTrials, printTrials),
  swap: measurement("swap", measureSwaps, printSwaps),
  observe: measurement("observe", (quick) => measureObserving(quick), printObserving),
  proxy: measurement(
    "proxy",
    (quick) => measureProxies({ quick, rows: [], proxies: [], rounds: 0 }),
    printProxies,
  ),
};

const { values, positionals } = parseArgs({
  options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !(name in MEASUREMENTS));
if (unknown.length > 0) {
  console.error(
    `bench: no measurement ${unknown.join(", ")}; there are ${Object.keys(MEASUREMENTS).join(", ")}`,
  );
  process.exit(1);
}
cleanUpAtExit();
buildProbe();
const reports: Record<string, object | undefined> = {};
for (const name of positionals.length > 0 ? positionals : Object.keys(MEASUREMENTS))
  reports[name] = await MEASUREMENTS[name]?.(values.quick, !values.json);
if (values.json) console.log(JSON.stringify(reports, null, 2));
