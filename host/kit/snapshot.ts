import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import type { Account, Pairs } from "./account.ts";
import { snapshotFile } from "./case-file.ts";

/** The snapshots of one case file: what came of each of its cases when it was last accepted, as YAML, in the file beside it. */
export class Snapshots {
  readonly #file: string;
  readonly #kept: Map<string, string>;
  readonly #fresh: Map<string, string>;

  constructor(caseFile: string) {
    this.#file = snapshotFile(caseFile);
    const text = existsSync(this.#file) ? readFileSync(this.#file, "utf8") : "";
    const kept = (parse(text) ?? {}) as Record<string, unknown>;
    this.#kept = new Map(Object.entries(kept).map(([name, value]) => [name, stringify(value)]));
    this.#fresh = new Map(this.#kept);
  }

  /** What was kept under the name; undefined when nothing was. */
  kept(name: string): string | undefined {
    return this.#kept.get(name);
  }

  /** What is to be kept from now on. */
  accept(name: string, snapshot: string): void {
    this.#fresh.set(name, snapshot);
  }

  /** Writes what was accepted beside what was there, but for what belongs to none of these cases any more. Gives whether anything has changed. */
  write(names: ReadonlySet<string>): boolean {
    const fresh = [...this.#fresh].filter(([name]) => names.has(name));
    const same =
      fresh.length === this.#kept.size && fresh.every(([name, text]) => this.#kept.get(name) === text);
    if (same) return false;
    const all = Object.fromEntries(fresh.map(([name, text]) => [name, parse(text) as unknown]));
    if (fresh.length === 0) rmSync(this.#file, { force: true });
    else writeFileSync(this.#file, stringify(all));
    return true;
  }
}

/** All that came of a case but time, fuel and memory, which differ from build to build. */
export function snapshotOf(account: Account): string {
  const { upstream, response, reply, code, failure, edits, log, metrics, metadata, store, http } = account;
  const message = (seen: { readonly headers: Pairs; readonly body: Uint8Array | string }): object => {
    const { headers, body, ...rest } = seen;
    return { ...rest, headers: headers.map(([name, value]) => `${name}: ${value}`), body: bodyOf(body) };
  };
  const all = {
    reply: reply === null ? null : message(reply),
    upstream: upstream === null ? null : message(upstream),
    response: response === null ? null : message(response),
    code,
    failure: failure === null ? null : { reason: failure.reason, detail: failure.detail },
    edits,
    log: log.map(({ level, message: said, attributes }) => ({ level, message: said, attributes })),
    metrics,
    metadata,
    store,
    http: http.map(message),
  };
  return stringify(Object.fromEntries(Object.entries(all).filter(([, value]) => !isNothing(value))));
}

function bodyOf(body: Uint8Array | string): unknown {
  if (typeof body === "string") return body;
  const text = Buffer.from(body).toString("utf8");
  return Buffer.from(text).equals(body) ? text : { base64: Buffer.from(body).toString("base64") };
}

function isNothing(value: unknown): boolean {
  return value === null || (typeof value === "object" && Object.keys(value).length === 0);
}
