/**
 * What a proxied request costs: CPU time, which shared processors falsify less than latency or throughput.
 *
 *   node bench/proxy.ts [--quick] [--json]
 */
import { parseArgs } from "node:util";
import { BROWSER_FIELDS } from "./support/browser-request.ts";
import { type Child, cleanUpAtExit, runFolder } from "./support/child.ts";
import { startNginx, startServer, startSluice } from "./support/contender.ts";
import { buildProbe } from "./support/filters.ts";
import { CONNECTIONS, load } from "./support/load.ts";
import { type Aim, keepReport, machine, median, printAims, printTable } from "./support/report.ts";
import { hasTool } from "./support/tool.ts";

export interface ProxyReport {
  readonly machine: object;
  readonly rows: readonly RowReport[];
  readonly aims: readonly Aim[];
  readonly leftOut: readonly string[];
}

interface RowReport {
  readonly name: string;
  /** Medians over the rounds. */
  readonly cpuUsPerRequest: number;
  readonly workerUsPerRequest: number;
  readonly requestsPerSecond: number;
  /** Medians of each round's own ratio, so that what slows a whole round down does not count. */
  readonly againstNginx: number | null;
  readonly againstBestPeer: number;
  readonly rounds: readonly Sample[];
}

interface Sample {
  readonly cpuUsPerRequest: number;
  /** Of the busiest thread alone: the one that carries the traffic. */
  readonly workerUsPerRequest: number;
  readonly requestsPerSecond: number;
}

/** One line of the result: a proxy, asked for one path. */
interface Row {
  readonly name: string;
  readonly child: Child;
  readonly url: string;
  readonly samples: Sample[];
}

const PEERS = ["http-proxy-3", "fastify"] as const;

/** Compilers have done their work by then. */
const WARM_REQUESTS = 40_000;

export async function measureProxies(quick: boolean): Promise<ProxyReport | undefined> {
  if (!(await hasTool("wrk"))) {
    console.error("CPU per request is not measured: wrk is missing, which makes the load.");
    return undefined;
  }
  const leftOut: string[] = [];
  const folder = runFolder();
  const children: Child[] = [];
  try {
    const rows = await startRows(folder, children, leftOut);
    for (const row of rows) await warm(row, quick ? WARM_REQUESTS / 4 : WARM_REQUESTS);
    const rounds = quick ? 3 : 9;
    for (let round = 0; round < rounds; round++) {
      // Each round begins with another row, so that none is always measured after the same neighbour.
      const order = rows.map((_, index) => rows[(index + round) % rows.length] as Row);
      for (const row of order) row.samples.push(await sample(row, quick ? 1 : 3));
      console.error(`round ${round + 1} of ${rounds}`);
    }
    return reportOf(rows, leftOut);
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

async function startRows(folder: string, children: Child[], leftOut: string[]): Promise<Row[]> {
  const started = (child: Child): Child => {
    children.push(child);
    return child;
  };
  const upstreamPort = started(await startServer(folder, "upstream")).port;
  const rows: Row[] = [];
  const add = (name: string, child: Child, path: string): void => {
    rows.push({ name, child, url: `http://127.0.0.1:${child.port}${path}`, samples: [] });
  };
  if (await hasTool("nginx")) add("nginx", started(await startNginx(folder, upstreamPort)), "/");
  else leftOut.push("nginx is not in the table: it is not installed.");
  for (const kind of PEERS) add(kind, started(await startServer(folder, kind, upstreamPort)), "/");
  const plain = started(await startSluice({ folder, upstreamPort, exchangeLog: false }));
  add("sluice, no filter", plain, "/0/");
  add("sluice, 1 filter", plain, "/1/");
  add("sluice, 3 filters", plain, "/3/");
  const logging = started(await startSluice({ folder, upstreamPort, exchangeLog: true }));
  add("sluice, 1 filter, exchange log", logging, "/1/");
  return rows;
}

async function warm(row: Row, requests: number): Promise<void> {
  let done = 0;
  while (done < requests) done += (await load(row.url, BROWSER_FIELDS, 1)).requests;
}

async function sample({ child, url }: Row, seconds: number): Promise<Sample> {
  const before = child.cpu();
  const { requests, requestsPerSecond } = await load(url, BROWSER_FIELDS, seconds);
  const after = child.cpu();
  let busiestMs = 0;
  for (const [thread, ms] of after.threads) {
    busiestMs = Math.max(busiestMs, ms - (before.threads.get(thread) ?? 0));
  }
  return {
    cpuUsPerRequest: ((after.totalMs - before.totalMs) * 1000) / requests,
    workerUsPerRequest: (busiestMs * 1000) / requests,
    requestsPerSecond,
  };
}

function reportOf(rows: readonly Row[], leftOut: readonly string[]): ProxyReport {
  const nginx = rows.find(({ name }) => name === "nginx");
  const peers = rows.filter(({ name }) => (PEERS as readonly string[]).includes(name));
  const best = peers.reduce((a, b) => (cpu(a) <= cpu(b) ? a : b));
  const reports = rows.map((row) => ({
    name: row.name,
    cpuUsPerRequest: cpu(row),
    workerUsPerRequest: median(row.samples.map((sample) => sample.workerUsPerRequest)),
    requestsPerSecond: median(row.samples.map((sample) => sample.requestsPerSecond)),
    againstNginx: nginx === undefined ? null : ratio(row, nginx),
    againstBestPeer: ratio(row, best),
    rounds: row.samples,
  }));
  return { machine: machine(), rows: reports, aims: aimsOf(rows, nginx, best), leftOut };
}

function aimsOf(rows: readonly Row[], nginx: Row | undefined, best: Row): Aim[] {
  const sluice = (name: string): Row => rows.find((row) => row.name === `sluice, ${name}`) as Row;
  const one = sluice("1 filter");
  const three = sluice("3 filters");
  const aims: Aim[] = [];
  if (nginx !== undefined) {
    const times = ratio(one, nginx);
    aims.push({ sentence: `with one filter at most 3.5 × nginx: ${times.toFixed(2)} ×`, met: times <= 3.5 });
  }
  const share = ratio(one, best);
  aims.push({
    sentence: `with one filter at most half of the best Node peer: ${share.toFixed(2)} ×`,
    met: share <= 0.5,
  });
  const further = (ratio(three, one) - 1) / 2;
  const percent = `${(further * 100).toFixed(1)} %`;
  aims.push({ sentence: `each further filter adds at most 4 %: ${percent}`, met: further <= 0.04 });
  return aims;
}

function cpu({ samples }: Row): number {
  return median(samples.map(({ cpuUsPerRequest }) => cpuUsPerRequest));
}

function ratio(row: Row, base: Row): number {
  const ratios = row.samples.map(
    (sample, round) => sample.cpuUsPerRequest / (base.samples[round] as Sample).cpuUsPerRequest,
  );
  return median(ratios);
}

export function printProxies({ rows, aims, leftOut }: ProxyReport): void {
  console.log(
    `\nCPU time per proxied request: 1 KiB response, ${BROWSER_FIELDS.length / 2} request fields, ${CONNECTIONS} keep-alive connections\n`,
  );
  const head = ["proxy", "µs", "from–to", "worker µs", "÷ nginx", "÷ best Node peer", "requests/s"];
  printTable(
    head,
    rows.map((row) => {
      const all = row.rounds.map(({ cpuUsPerRequest }) => cpuUsPerRequest);
      return [
        row.name,
        row.cpuUsPerRequest.toFixed(1),
        `${Math.min(...all).toFixed(0)}–${Math.max(...all).toFixed(0)}`,
        row.workerUsPerRequest.toFixed(1),
        row.againstNginx?.toFixed(2) ?? "–",
        row.againstBestPeer.toFixed(2),
        row.requestsPerSecond.toFixed(0),
      ];
    }),
  );
  for (const sentence of leftOut) console.log(sentence);
  console.log();
  printAims(aims);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
  });
  cleanUpAtExit();
  buildProbe();
  const report = await measureProxies(values.quick);
  if (report === undefined) process.exitCode = 1;
  else {
    keepReport("proxy", report);
    if (values.json) console.log(JSON.stringify(report, null, 2));
    else printProxies(report);
  }
}
