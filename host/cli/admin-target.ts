import { existsSync } from "node:fs";
import type { AdminAddress } from "../config/config.ts";
import { ConfigError } from "../config/problem.ts";
import { AdminError, readAdminAddress } from "../control/admin-address.ts";

export interface AdminTarget {
  readonly admin?: string | undefined;
  readonly c?: string | undefined;
}

const DEFAULT_FILE = "sluice.yaml";
const DEFAULT_ADDRESS: AdminAddress = { kind: "tcp", host: "127.0.0.1", port: 9901 };

/** Which host a command means: what `--admin` says, else the configuration file, else the usual port. */
export async function findAdmin({ admin, c }: AdminTarget): Promise<AdminAddress> {
  if (admin !== undefined) return readAdminAddress(admin);
  if (c === undefined && !existsSync(DEFAULT_FILE)) return DEFAULT_ADDRESS;
  const file = c ?? DEFAULT_FILE;
  const address = await adminOf(file);
  if (address === null) {
    throw new AdminError(`${file} turns the admin API off, so nothing can be asked of its host.`);
  }
  if (address.kind === "tcp" && address.port === 0) {
    throw new AdminError(
      `${file} leaves the admin port to the system: give the one in the host's log with --admin.`,
    );
  }
  return address;
}

async function adminOf(file: string): Promise<AdminAddress | null> {
  // Asked for by name, a host needs no configuration file, and no code that reads one.
  const { loadConfig } = await import("../config/load.ts");
  try {
    return loadConfig(file).admin?.address ?? null;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new AdminError(
      `${file} is refused, so its admin address is unknown: see sluice check -c ${file}, or give --admin.`,
      undefined,
      { cause: error },
    );
  }
}
