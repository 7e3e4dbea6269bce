import { output } from "./child.ts";

/** What one run of the load generator did. */
export interface Load {
  readonly requests: number;
  readonly requestsPerSecond: number;
}

/**
 * Requests over keep-alive connections for so many seconds, each connection with one request at a time. Rejects when any
 * of them failed: errors are cheap to serve, and would flatter.
 */
export async function load(url: string, fields: readonly string[], seconds: number): Promise<Load> {
  const headers = [];
  for (let at = 0; at < fields.length; at += 2) headers.push("-H", `${fields[at]}: ${fields[at + 1]}`);
  const threads = ["--threads", "1", "--connections", String(CONNECTIONS), "--duration", `${seconds}s`];
  const printed = await output(["wrk", ...threads, "--timeout", "30s", ...headers, url]);
  const failed = /Non-2xx.*|Socket errors.*/.exec(printed);
  if (failed !== null) throw new Error(`${url}: ${failed[0]}`);
  return {
    requests: numberIn(printed, /(\d+) requests in/),
    requestsPerSecond: numberIn(printed, /Requests\/sec:\s+([\d.]+)/),
  };
}

export const CONNECTIONS = 64;

function numberIn(printed: string, pattern: RegExp): number {
  const found = pattern.exec(printed)?.[1];
  if (found === undefined) throw new Error(`wrk printed no ${pattern.source}:\n${printed}`);
  return Number(found);
}
