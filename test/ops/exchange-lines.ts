import { expect } from "vitest";
import { AddressKey } from "../../host/address-key.ts";
import { ClientAddress } from "../../host/client-address.ts";
import type { LogConfig } from "../../host/config/config.ts";
import { type ExchangeEntry, ExchangeLog } from "../../host/ops/exchange-log.ts";
import { LineBatch } from "../../host/ops/line-batch.ts";

export const ENTRY: ExchangeEntry = {
  requestId: "0190-f3",
  routeName: "api",
  method: "GET",
  target: "/a/b",
  protocol: "HTTP/1.1",
  clientAddress: new ClientAddress("203.0.113.7"),
  requestFields: ["Host", "a.example", "User-Agent", "curl/8", "Authorization", "Bearer sentinel"],
  responseFields: ["Server", "one", "server", "two"],
  status: 200,
  durationMs: 1.2345678,
  requestBytes: 0,
  responseBytes: 1_024,
  generation: 7,
  failure: undefined,
  repliedBy: undefined,
  versions: undefined,
  metadata: undefined,
  timeline: undefined,
};

export const KEY: AddressKey = new AddressKey(AddressKey.memory());

interface Means {
  readonly enabled?: boolean;
  readonly secret?: string;
  readonly form?: "drop" | "truncate" | "keyed-hash";
}

export function logOf(
  posted: string[],
  log: Partial<LogConfig>,
  { enabled = true, secret, form = "drop" }: Means = {},
): ExchangeLog & { flush(): void } {
  const batch = new LineBatch((text) => posted.push(text));
  const rules = {
    log: { ...LOG, ...log },
    clientAddress: { log: form, filters: "whole" as const },
    clean: (text: string) => (secret === undefined ? text : text.replaceAll(secret, "[secret]")),
  };
  const made = new ExchangeLog(batch, 3, KEY, rules, enabled ? "info" : "warn");
  return Object.assign(made, { flush: () => batch.flush() });
}

const LOG: LogConfig = {
  level: "info",
  file: null,
  exchanges: { samplePercent: 100, only: null },
  receipts: true,
  query: "drop",
  headers: [],
};

export function lines(
  entries: readonly ExchangeEntry[],
  log: Partial<LogConfig> = {},
  means: Means = {},
): Record<string, unknown>[] {
  const posted: string[] = [];
  const made = logOf(posted, log, means);
  for (const entry of entries) made.write(entry);
  made.flush();
  return posted
    .join("")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The one line of an exchange. */
export function written(entry: ExchangeEntry): Record<string, unknown> {
  const posted: string[] = [];
  const log = logOf(posted, {});
  log.write(entry);
  log.flush();
  const text = posted.join("");
  expect(text.indexOf("\n"), "not exactly one line").toBe(text.length - 1);
  // As the destination does it: what UTF-8 cannot carry must have been escaped.
  return JSON.parse(Buffer.from(text, "utf8").toString("utf8"));
}
