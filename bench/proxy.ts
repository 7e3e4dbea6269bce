/**
 * What a proxied request costs, against other proxies in the same run: CPU time, which shared processors falsify less than
 * throughput, and how long clients wait at fixed rates.
 *
 *   node bench/proxy.ts [--quick] [--json] [--rows 1k,tls,…] [--proxies nginx,sluice,…] [--rounds N]
 *
 * The rows are in support/rows.ts. Standard output is Markdown.
 */
import { parseArgs } from "node:util";
import { checkAnswers } from "./support/answer-check.ts";
import { cleanUpAtExit, runFolder } from "./support/child.ts";
import { type Contender, Field } from "./support/contender.ts";
import { buildProbe } from "./support/filters.ts";
import { answered, load, sample } from "./support/load.ts";
import { buildPace, pacedLoad } from "./support/paced-load.ts";
import { aimsOf, type Cell, printProxies, type ProxyReport, type RowReport } from "./support/proxy-report.ts";
import { keepReport, machine } from "./support/report.ts";
import { MAIN_ROW, type Row, rowsNamed } from "./support/rows.ts";
import { hasTool } from "./support/tool.ts";

export { printProxies } from "./support/proxy-report.ts";

export interface ProxyOptions {
  readonly quick: boolean;
  /** All of them when it is empty; so are `proxies`. */
  readonly rows: readonly string[];
  readonly proxies: readonly string[];
  /** 0: as many as fit. */
  readonly rounds: number;
}

export async function measureProxies(options: ProxyOptions): Promise<ProxyReport | undefined> {
  if (!(await hasTool("wrk"))) {
    console.error("Proxies are not measured: wrk is missing, which makes the load.");
    return undefined;
  }
  const rows = rowsNamed(options.rows);
  if (rows.some(({ rate }) => rate > 0)) buildPace();
  const folder = runFolder();
  const field = await Field.open(folder);
  try {
    await field.enter((name) => options.proxies.length === 0 || options.proxies.includes(name));
    await dropUnfit(field, rows);
    const rounds = options.rounds > 0 ? options.rounds : options.quick ? 2 : 7;
    const bench = new Bench(field, folder, rounds, options.quick);
    const reports: RowReport[] = [];
    for (const row of rows) reports.push(await bench.measure(row));
    return { machine: machine(), rounds, rows: reports, aims: aimsOf(reports), leftOut: field.leftOut };
  } finally {
    await field.stop();
  }
}

/** Only who gives the right answers is measured; of the others the report has a sentence. */
async function dropUnfit({ contenders, leftOut }: Field, rows: readonly Row[]): Promise<void> {
  for (const contender of contenders.slice()) {
    try {
      await checkAnswers(contender, rows);
    } catch (error) {
      if (contender.kind === "sluice") throw error;
      leftOut.push(
        `${contender.name} is left out: ${error instanceof Error ? error.message : String(error)}`,
      );
      contenders.splice(contenders.indexOf(contender), 1);
    }
  }
}

class Bench {
  readonly #contenders: readonly Contender[];
  readonly #folder: string;
  readonly #rounds: number;
  readonly #quick: boolean;
  readonly #leftOut: string[];
  /** Who has failed: nothing that it does after that is worth measuring. */
  readonly #stopped = new Set<Contender>();
  /** Who has had so many requests that its code is compiled. */
  readonly #warm = new Set<Contender>();

  constructor({ contenders, leftOut }: Field, folder: string, rounds: number, quick: boolean) {
    this.#contenders = contenders;
    this.#leftOut = leftOut;
    this.#folder = folder;
    this.#rounds = rounds;
    this.#quick = quick;
  }

  async measure(row: Row): Promise<RowReport> {
    const entered = this.#contenders.filter(
      (contender) => (!contender.variant || row.name === MAIN_ROW) && !this.#stopped.has(contender),
    );
    const pairs = entered.map((contender) => {
      const cell: Cell = { contender: contender.name, kind: contender.kind, samples: [], waits: [] };
      return { contender, cell };
    });
    for (const { contender } of pairs) await this.#warmUp(contender, row);
    for (let round = 0; round < this.#rounds; round++) {
      // Each round begins with another one, so that none is always measured after the same neighbour.
      for (let index = 0; index < pairs.length; index++) {
        const { contender, cell } = pairs[(index + round) % pairs.length] as (typeof pairs)[number];
        if (this.#stopped.has(contender)) continue;
        try {
          if (row.rate > 0) cell.waits.push(await pacedLoad(contender, row, this.#quick ? 2 : 5));
          else cell.samples.push(await sample(contender, row, this.#folder));
        } catch (error) {
          if (contender.kind === "sluice") throw error;
          this.#stopped.add(contender);
          this.#leftOut.push(
            `From there on without: ${error instanceof Error ? error.message : String(error)}`,
          );
        }
      }
      console.error(`${row.title}: round ${round + 1} of ${this.#rounds}`);
    }
    const cells = pairs.filter(({ contender }) => !this.#stopped.has(contender)).map(({ cell }) => cell);
    return { name: row.name, title: row.title, rate: row.rate, cells };
  }

  /** By requests, not by seconds: who is slow is warm later. What a row asks for that is new takes a few more. */
  async #warmUp(contender: Contender, row: Row): Promise<void> {
    const first = !this.#warm.has(contender);
    this.#warm.add(contender);
    const requests = (first ? 40_000 : 2_000) / (this.#quick ? 4 : 1);
    const { upstream } = contender.ports;
    const until = (await answered(upstream)) + requests;
    if (row.rate > 0 && !first) return;
    // Nobody waits for 40 000 long bodies: after so many seconds, what is compiled is compiled.
    for (let run = 0; run < 10; run++) {
      await load(contender, { ...row, rate: 0 }, 1, this.#folder);
      if ((await answered(upstream)) >= until) return;
    }
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      rows: { type: "string", default: "" },
      proxies: { type: "string", default: "" },
      rounds: { type: "string", default: "0" },
    },
  });
  cleanUpAtExit();
  buildProbe();
  const list = (text: string): string[] => text.split(",").filter((item) => item !== "");
  const report = await measureProxies({
    quick: values.quick,
    rows: list(values.rows),
    proxies: list(values.proxies),
    rounds: Number(values.rounds),
  });
  if (report === undefined) process.exitCode = 1;
  else {
    keepReport("proxy", report);
    if (values.json) console.log(JSON.stringify(report, null, 2));
    else printProxies(report);
  }
}
