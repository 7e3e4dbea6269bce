import { NGINX, SLUICE } from "./contender.ts";
import type { Sample } from "./load.ts";
import type { Waits } from "./paced-load.ts";
import { type Aim, median, printMarkdown } from "./report.ts";
import { MAIN_ROW } from "./rows.ts";

/** What one contender did in one row, round by round. */
export interface Cell {
  readonly contender: string;
  readonly kind: string;
  readonly samples: Sample[];
  readonly waits: Waits[];
}

export interface RowReport {
  readonly name: string;
  readonly title: string;
  readonly rate: number;
  readonly cells: readonly Cell[];
}

export interface ProxyReport {
  readonly machine: object;
  readonly rounds: number;
  readonly rows: readonly RowReport[];
  readonly aims: readonly Aim[];
  readonly leftOut: readonly string[];
}

/** Medians of each round's own ratio, so that what slows a whole round down does not count. */
function ratio(cell: Cell, base: Cell): number {
  return median(
    cell.samples.map(
      (sample, round) => sample.cpuUsPerRequest / (base.samples[round] as Sample).cpuUsPerRequest,
    ),
  );
}

function cpu({ samples }: Cell): number {
  return median(samples.map(({ cpuUsPerRequest }) => cpuUsPerRequest));
}

function find({ cells }: RowReport, name: string): Cell | undefined {
  return cells.find(({ contender }) => contender === name);
}

/** The one of the other proxies on Node that took the least. */
function bestPeer({ cells }: RowReport): Cell | undefined {
  const [first, ...others] = cells.filter(({ kind }) => kind === "peer");
  return first === undefined ? undefined : others.reduce((a, b) => (cpu(a) <= cpu(b) ? a : b), first);
}

export function aimsOf(rows: readonly RowReport[]): Aim[] {
  const aims: Aim[] = [];
  const atMost = (what: string, value: number, most: number): void =>
    void aims.push({ sentence: `${what}: ${value.toFixed(2)} × (at most ${most})`, met: value <= most });
  for (const row of rows.filter(({ rate }) => rate === 0)) {
    const sluice = find(row, SLUICE);
    const nginx = find(row, NGINX);
    const peer = bestPeer(row);
    if (sluice === undefined) continue;
    const one = find(row, "sluice, 1 filter");
    const three = find(row, "sluice, 3 filters");
    if (row.name === MAIN_ROW && nginx !== undefined) {
      atMost("no filter, of nginx", ratio(sluice, nginx), 3);
      if (one !== undefined) atMost("one filter, of nginx", ratio(one, nginx), 3.5);
    }
    if (peer !== undefined) atMost(`${row.title}, of ${peer.contender}`, ratio(sluice, peer), 0.5);
    if (one !== undefined && three !== undefined)
      atMost("each further filter, of the exchange with one", (ratio(three, one) - 1) / 2, 0.04);
  }
  return aims;
}

export function printProxies({ rows, aims, leftOut, rounds }: ProxyReport): void {
  const closed = rows.filter(({ rate }) => rate === 0);
  const paced = rows.filter(({ rate }) => rate > 0);
  if (closed.length > 0) printMatrix(closed, rounds);
  for (const row of closed) if (row.name === MAIN_ROW) printMain(row);
  for (const row of paced) printPaced(row);
  for (const sentence of leftOut) console.log(sentence);
  console.log();
  for (const { sentence, met } of aims) console.log(`- ${met ? "reached" : "**missed**"}: ${sentence}`);
}

function printMatrix(rows: readonly RowReport[], rounds: number): void {
  console.log(`\nCPU µs a request, medians of ${rounds} interleaved rounds:\n`);
  const names = [
    ...new Set(rows.slice(0, 1).flatMap(({ cells }) => cells.map(({ contender }) => contender))),
  ];
  const columns = names.filter(
    (name) => rows.some((row) => row.name !== MAIN_ROW && find(row, name)) || rows.length === 1,
  );
  printMarkdown(
    ["row", ...columns, "sluice ÷ nginx", "sluice ÷ best Node peer"],
    rows.map((row) => {
      const sluice = find(row, SLUICE);
      const against = (base: Cell | undefined): string =>
        base === undefined || sluice === undefined ? "–" : ratio(sluice, base).toFixed(2);
      const values = columns.map((name) => {
        const cell = find(row, name);
        return cell === undefined ? "–" : cpu(cell).toFixed(1);
      });
      return [row.title, ...values, against(find(row, NGINX)), against(bestPeer(row))];
    }),
  );
}

function printMain(row: RowReport): void {
  console.log(`\n${row.title}, with what lies between the fastest and the slowest round:\n`);
  const nginx = find(row, NGINX);
  const peer = bestPeer(row);
  printMarkdown(
    ["proxy", "CPU µs a request", "from–to", "busiest thread", "÷ nginx", "÷ best Node peer", "requests/s"],
    row.cells.map((cell) => {
      const all = cell.samples.map(({ cpuUsPerRequest }) => cpuUsPerRequest);
      return [
        cell.contender,
        cpu(cell).toFixed(1),
        `${Math.min(...all).toFixed(0)}–${Math.max(...all).toFixed(0)}`,
        median(cell.samples.map(({ workerUsPerRequest }) => workerUsPerRequest)).toFixed(1),
        nginx === undefined ? "–" : ratio(cell, nginx).toFixed(2),
        peer === undefined ? "–" : ratio(cell, peer).toFixed(2),
        median(cell.samples.map(({ requestsPerSecond }) => requestsPerSecond)).toFixed(0),
      ];
    }),
  );
}

function printPaced(row: RowReport): void {
  console.log(`\nAt ${row.title}, in an open loop, in µs from when a request was due:\n`);
  const middle = (cell: Cell, which: "p50" | "p99" | "p999"): string =>
    median(cell.waits.map((waits) => waits[which])).toFixed(0);
  printMarkdown(
    ["proxy", "p50", "p99", "p99.9"],
    row.cells.map((cell) => [cell.contender, middle(cell, "p50"), middle(cell, "p99"), middle(cell, "p999")]),
  );
}
