import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { BROWSER_FIELDS } from "./browser-request.ts";
import type { Contender } from "./contender.ts";
import { ROOT } from "./report.ts";
import type { Row } from "./rows.ts";

/** How long requests were waited for, in microseconds. */
export interface Waits {
  readonly requests: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** Builds the generator, bench/pace: what Node could measure of others would be its own timers. */
export function buildPace(): void {
  const { status } = spawnSync("cargo", ["build", "--quiet", "--release", "-p", "sluice-pace"], {
    cwd: ROOT,
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) throw new Error("bench/pace did not build");
}

/** Asks at the row's rate. Rejects when any answer is no 200, or none. */
export async function pacedLoad(contender: Contender, row: Row, seconds: number): Promise<Waits> {
  const numbers = [row.rate, row.connections, seconds, WARM_SECONDS].map(String);
  const child = spawn(join(ROOT, "target", "release", "sluice-pace"), [
    `127.0.0.1:${contender.ports.plain}`,
    ...numbers,
  ]);
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (printed += text));
  let head = `GET ${contender.prefix}/${row.answer} HTTP/1.1\r\n`;
  for (let at = 0; at < BROWSER_FIELDS.length; at += 2)
    head += `${BROWSER_FIELDS[at]}: ${BROWSER_FIELDS[at + 1]}\r\n`;
  child.stdin.end(`${head}\r\n`);
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`${contender.name}, ${row.title}: ${printed}`);
  return JSON.parse(printed) as Waits;
}

const WARM_SECONDS = 1;
