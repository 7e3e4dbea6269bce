import { writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { BROWSER_FIELDS } from "./browser-request.ts";
import { output } from "./child.ts";
import { type Contender } from "./contender.ts";
import type { Row } from "./rows.ts";

/** What a contender spent while it was loaded. */
export interface Sample {
  readonly requests: number;
  readonly cpuUsPerRequest: number;
  /** Of the busiest thread alone: the one that carries the traffic. */
  readonly workerUsPerRequest: number;
  readonly requestsPerSecond: number;
}

/** What a row is asked of a contender. */
export function urlOf({ ports, prefix }: Contender, { tls, answer }: Row): string {
  const origin = tls ? `https://127.0.0.1:${ports.tls}` : `http://127.0.0.1:${ports.plain}`;
  return `${origin}${prefix}/${answer}`;
}

/**
 * Requests over keep-alive connections, each with one request at a time. Rejects when any of them failed: errors are cheap
 * to serve, and would flatter.
 */
export async function load(contender: Contender, row: Row, seconds: number, folder: string): Promise<void> {
  const headers = [];
  for (let at = 0; at < BROWSER_FIELDS.length; at += 2)
    headers.push("-H", `${BROWSER_FIELDS[at]}: ${BROWSER_FIELDS[at + 1]}`);
  const url = urlOf(contender, row);
  const threads = ["--threads", "1", "--connections", String(row.connections), "--duration", `${seconds}s`];
  const script = row.bodyBytes === 0 ? [] : ["--script", postScript(folder, row.bodyBytes)];
  const printed = await output(["wrk", ...threads, "--timeout", "30s", ...script, ...headers, url]);
  const failed = /Non-2xx.*|Socket errors.*/.exec(printed);
  if (failed !== null) throw new Error(`${contender.name}, ${url}: ${failed[0]}`);
}

/** The same for a part of the time, after connections have been made: what they cost is no matter of requests. */
export async function sample(contender: Contender, row: Row, folder: string): Promise<Sample> {
  const { child, ports } = contender;
  const loaded = load(contender, row, LOAD_SECONDS, folder);
  // Rejects below; without this it would be an unhandled one before.
  loaded.catch(() => {});
  await time(SETTLE_MS);
  const before = { count: await answered(ports.upstream), cpu: child.cpu(), ms: performance.now() };
  await time(WINDOW_MS);
  const after = { count: await answered(ports.upstream), cpu: child.cpu(), ms: performance.now() };
  await loaded;
  const requests = after.count - before.count;
  if (requests === 0) throw new Error(`${contender.name}, ${row.title}: it has stopped answering`);
  let busiestMs = 0;
  for (const [thread, ms] of after.cpu.threads)
    busiestMs = Math.max(busiestMs, ms - (before.cpu.threads.get(thread) ?? 0));
  return {
    requests,
    cpuUsPerRequest: ((after.cpu.totalMs - before.cpu.totalMs) * 1000) / requests,
    workerUsPerRequest: (busiestMs * 1000) / requests,
    requestsPerSecond: (requests * 1000) / (after.ms - before.ms),
  };
}

/** How many requests the upstream has answered, whoever sent them. */
export function answered(upstreamPort: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = get({ host: "127.0.0.1", port: upstreamPort, path: "/count", agent: false }, (response) => {
      let text = "";
      response.setEncoding("latin1").on("data", (piece: string) => (text += piece));
      response.on("end", () => resolve(Number(text)));
    });
    asked.on("error", reject);
  });
}

function postScript(folder: string, bytes: number): string {
  const path = join(folder, `post-${bytes}.lua`);
  writeFileSync(path, `wrk.method = "POST"\nwrk.body = string.rep("x", ${bytes})\n`);
  return path;
}

function time(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** wrk takes whole seconds: a thousand connections have been made in the first half of one. */
const LOAD_SECONDS = 2;
const SETTLE_MS = 600;
const WINDOW_MS = 1_250;
