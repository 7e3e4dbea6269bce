import { isIPv6 } from "node:net";
import { resolve } from "node:path";
import { parseAdminAddress } from "../config/address.ts";
import type { AdminAddress } from "../config/config.ts";
import type { Problem } from "../config/problem.ts";

/** The admin API could not be asked, or said no: one sentence for the operator, and the API's code when it gave one. */
export class AdminError extends Error {
  override readonly name = "AdminError";
  readonly code: string | undefined;
  /** Of a configuration that is refused: each with its place. */
  readonly problems: readonly Problem[];

  constructor(
    message: string,
    code?: string,
    options?: ErrorOptions & { readonly problems?: readonly Problem[] },
  ) {
    super(message, options);
    this.code = code;
    this.problems = options?.problems ?? [];
  }
}

/** Reads `host:port`, `[::1]:port` or `unix:/path`, as an operator types it. */
export function readAdminAddress(text: string): AdminAddress {
  const address = parseAdminAddress(text);
  if (address === undefined) {
    throw new AdminError(`"${text}" is no admin address: it is host:port, [::1]:port or unix:/path.`);
  }
  return address.kind === "unix" ? { kind: "unix", path: resolve(address.path) } : address;
}

export function formatAdminAddress(address: AdminAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return isIPv6(address.host) ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Where the dashboard is, from an actual address as it is written; null for a socket file, which no browser opens. */
export function dashboardAt(address: string): string | null {
  return address.startsWith("unix:") ? null : `http://${address}/`;
}
