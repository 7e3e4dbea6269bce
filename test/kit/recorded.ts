import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { RECORD_DEFAULTS, type RecordRequest } from "../../host/record/record-request.ts";
import type { TestHost } from "../support/test-host.ts";

/** Records what an exchange or several make of a filter, as a host writes it. Ends when as many have come as `exchangesMax` says. */
export async function recorded(
  host: TestHost,
  filter: string,
  request: Partial<RecordRequest>,
  exchanges: () => Promise<unknown>,
): Promise<string> {
  const lines = await host.host.record(filter, { ...RECORD_DEFAULTS, forMs: 20_000, ...request });
  await exchanges();
  let text = "";
  for await (const part of lines) text += part;
  return text;
}

/** Writes it into the host's folder, and gives the file. */
export function fileWith(host: TestHost, name: string, text: string): string {
  const file = join(host.folder, name);
  writeFileSync(file, text);
  return file;
}

/** All that must be found nowhere: who somebody is, where somebody is, and what only they know. */
export const SENTINELS = {
  v4: "203.0.113.77",
  v6: "2001:db8::7777",
  header: "sentinel-in-a-header",
  cookie: "sentinel-in-a-cookie",
  authorization: "sentinel-of-authorization",
  query: "sentinel-in-the-query",
  secret: "sentinel-secret-that-was-granted",
  body: "sentinel-in-a-body",
  config: "sentinel-in-the-config",
  response: "sentinel-in-the-response",
} as const;

/** What a client sends that has all of them in it. */
export function telling(address: string): string[] {
  return [
    `X-Forwarded-For: ${address}`,
    `X-Note: from ${address}, knows ${SENTINELS.secret}`,
    `X-Other: ${SENTINELS.header}`,
    `Cookie: session=${SENTINELS.cookie}`,
    `Authorization: Bearer ${SENTINELS.authorization}`,
    `X-Api-Token: ${SENTINELS.header}`,
  ];
}

export function found(text: string): string[] {
  return Object.entries(SENTINELS).flatMap(([name, value]) => {
    const bytes = Buffer.from(value);
    const forms = [value, bytes.toString("base64").slice(0, 20), bytes.toString("hex")];
    return forms.some((form) => text.includes(form)) ? [name] : [];
  });
}
