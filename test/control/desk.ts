import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { type Admin, startAdmin } from "../../host/control/admin.ts";
import { ADMIN_ROLES, type AdminConfig, type AdminRole, type AdminToken } from "../../host/config/config.ts";
import type { AuditLine } from "../../host/control/audit.ts";
import { readAdminAddress } from "../../host/control/admin-address.ts";
import { PlainControl } from "./plain-control.ts";

/** The digest of the filter `keys` before any swap. */
export const OLD_DIGEST: string = "0".repeat(64);

/** An operator's place: a control with the one filter `keys`, admin APIs in front of it, a folder for files. */
export class Desk {
  readonly folder: string = mkdtempSync(join(tmpdir(), "sluice-desk-"));
  readonly control: PlainControl = new PlainControl();
  /** What the admin API has logged, but for the audit log's lines. */
  readonly lines: string[] = [];
  /** Those, where they have no file of their own. */
  readonly audit: AuditLine[] = [];
  readonly #admins: Admin[] = [];

  constructor() {
    this.control.add("keys", join(this.folder, "old.wasm"), OLD_DIGEST);
  }

  async start(address = "127.0.0.1:0", options: Partial<AdminConfig> = {}): Promise<Admin> {
    const log = pino({}, { write: (line: string) => this.#take(line) });
    const config = { address: readAdminAddress(address), hosts: [], tokens: [], audit: null, ...options };
    const admin = await startAdmin(this.control, config, log);
    this.#admins.push(admin);
    return admin;
  }

  #take(line: string): void {
    const read = JSON.parse(line) as AuditLine & { readonly audit?: boolean };
    if (read.audit === true) this.audit.push(read);
    else this.lines.push(line);
  }

  newComponent(content = "another component"): { path: string; digest: string } {
    const path = join(this.folder, "new.wasm");
    writeFileSync(path, content);
    return { path, digest: createHash("sha256").update(content).digest("hex") };
  }

  async close(): Promise<void> {
    await Promise.all(this.#admins.map((admin) => admin.close()));
    rmSync(this.folder, { recursive: true });
  }
}

export interface Reply {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Sends bytes as they are, for what no client would send, and reads to the end of the connection. */
export async function exchange(admin: Admin, head: string, body = ""): Promise<Reply> {
  const socket = connect(targetOf(admin));
  socket.write(`${head.replaceAll("\n", "\r\n")}\r\nConnection: close\r\n\r\n${body}`);
  const answer = await read(socket);
  const end = answer.indexOf("\r\n\r\n");
  const [, status] = answer.split(" ", 2);
  return { status: Number(status), head: answer.slice(0, end + 2), body: answer.slice(end + 4) };
}

/** To the end of the connection; of events, which have no end, the first one. */
async function read(socket: Socket): Promise<string> {
  let answer = "";
  for await (const chunk of socket.setEncoding("utf8")) {
    answer += chunk as string;
    if (/^content-type: text\/event-stream\r$/im.test(answer) && answer.includes("}\n\n")) break;
  }
  return answer;
}

/** Asks for a swap, with exactly these fields. */
export function post(admin: Admin, body: string, fields: string = JSON_TYPE, name = "keys"): Promise<Reply> {
  const length = Buffer.byteLength(body);
  const head = `POST /v1/filters/${name}/swap HTTP/1.1\nHost: localhost\nContent-Length: ${length}`;
  return exchange(admin, fields === "" ? head : `${head}\n${fields}`, body);
}

export const JSON_TYPE: string = "Content-Type: application/json";

/** A token of each role, with the words that belong to them. */
export const WORDS: { readonly [Role in AdminRole]: string } = {
  read: "slc_reads-and-reads-and-reads",
  swap: "slc_swaps-and-swaps-and-swaps",
  admin: "slc_rules-and-rules-and-rules",
};

export const TOKENS: readonly AdminToken[] = ADMIN_ROLES.map((role) => ({
  name: `the-${role}`,
  role,
  sha256: createHash("sha256").update(WORDS[role]).digest("hex"),
}));

export function bearer(word: string): string {
  return `Authorization: Bearer ${word}`;
}

/** Asks for anything, with these fields, and a body when there is one. */
export function ask(
  admin: Admin,
  line: string,
  { fields = [], body }: { readonly fields?: readonly string[]; readonly body?: unknown } = {},
): Promise<Reply> {
  const text = body === undefined ? "" : JSON.stringify(body);
  const own = body === undefined ? [] : [JSON_TYPE, `Content-Length: ${Buffer.byteLength(text)}`];
  return exchange(admin, [`${line} HTTP/1.1`, "Host: localhost", ...own, ...fields].join("\n"), text);
}

export function targetOf(admin: Admin): NetConnectOpts {
  const at = readAdminAddress(admin.address);
  return at.kind === "unix" ? { path: at.path } : { host: at.host, port: at.port };
}
