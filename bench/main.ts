/**
 * All measurements, one after the other:
 *
 *   npm run bench
 *   npm run bench -- --quick     fewer and shorter rounds: whether it works, not how fast
 *   npm run --silent bench -- --json
 */
import { parseArgs } from "node:util";
import { measureBodies, printBodies } from "./body.ts";
import { measureCalls, printCalls } from "./call.ts";
import { measureFuel, printFuel } from "./fuel.ts";
import { measureHostFunctions, printHostFunctions } from "./host-functions.ts";
import { measureHttpClient, printHttpClient } from "./http-client.ts";
import { measurePhases, printPhases } from "./phases.ts";
import { measureProxies, printProxies } from "./proxy.ts";
import { measureTrials, printTrials } from "./trial.ts";
import { cleanUpAtExit } from "./support/child.ts";
import { buildProbe } from "./support/filters.ts";
import { keepReport } from "./support/report.ts";

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
});
cleanUpAtExit();
buildProbe();
const call = await measureCalls(values.quick);
keepReport("call", call);
if (!values.json) printCalls(call);
const body = await measureBodies(values.quick);
keepReport("body", body);
if (!values.json) printBodies(body);
const phases = await measurePhases(values.quick);
keepReport("phases", phases);
if (!values.json) printPhases(phases);
const fuel = await measureFuel(values.quick);
keepReport("fuel", fuel);
if (!values.json) printFuel(fuel);
const hostFunctions = await measureHostFunctions(values.quick);
keepReport("host-functions", hostFunctions);
if (!values.json) printHostFunctions(hostFunctions);
const httpClient = await measureHttpClient(values.quick);
keepReport("http-client", httpClient);
if (!values.json) printHttpClient(httpClient);
const trial = await measureTrials(values.quick);
keepReport("trial", trial);
if (!values.json) printTrials(trial);
const proxy = await measureProxies({ quick: values.quick, rows: [], proxies: [], rounds: 0 });
if (proxy !== undefined) {
  keepReport("proxy", proxy);
  if (!values.json) printProxies(proxy);
}
if (values.json)
  console.log(JSON.stringify({ call, body, phases, hostFunctions, httpClient, trial, fuel, proxy }, null, 2));
