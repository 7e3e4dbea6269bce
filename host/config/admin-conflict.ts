import { resolve } from "node:path";
import { isLoopback, parseAdminAddress, SOCKET_PATH_BYTES_MAX } from "./address.ts";
import { excerpt } from "./problem.ts";
import type { Finding } from "./source.ts";
import { at, type File, repeated, type Spot, spotAt, under } from "./spot.ts";

/** Names that the audit log has for who needs no token. */
const NAMES_TAKEN: readonly string[] = ["local", "file", "signal", "start", "trial"];

/** Finds what is wrong between the options of the admin API. */
export function adminConflicts(file: File, folder: string): Finding[] {
  const address = spotAt(file, ["admin", "address"]) ?? spotAt(file, ["admin"]);
  const tokens = under(file, ["admin", "tokens"]);
  const names = tokens.flatMap(({ path }) => spotAt(file, [...path, "name"]) ?? []);
  const hashes = tokens.flatMap(({ path }) => spotAt(file, [...path, "sha256"]) ?? []);
  return [
    ...(address === undefined ? [] : [...longPath(address, folder), ...reachable(file, address, tokens)]),
    ...repeated(file, "a name of its own", names, textOf),
    ...names
      .filter((spot) => NAMES_TAKEN.includes(textOf(spot) ?? ""))
      .map((spot) =>
        at(spot, `expected a name that the audit log has for nobody else, got ${excerpt(textOf(spot))}`),
      ),
    ...repeated(file, "a token of its own", hashes, (spot) => textOf(spot)?.toLowerCase()),
  ];
}

function longPath(spot: Spot, folder: string): Finding[] {
  const address = parseAdminAddress(textOf(spot) ?? "");
  if (address?.kind !== "unix") return [];
  const bytes = Buffer.byteLength(resolve(folder, address.path));
  if (bytes <= SOCKET_PATH_BYTES_MAX) return [];
  return [
    at(
      spot,
      `expected a socket's path of at most ${SOCKET_PATH_BYTES_MAX} bytes, got ${bytes} with its folder`,
    ),
  ];
}

/** Whoever reaches the admin API can put code into the proxy: nobody from another machine may without a token. */
function reachable(file: File, spot: Spot, tokens: readonly Spot[]): Finding[] {
  const address = parseAdminAddress(textOf(spot) ?? "");
  if (address?.kind !== "tcp" || isLoopback(address.host) || tokens.length > 0) return [];
  // Tokens that are there and cannot be read have a finding of their own.
  if ((spotAt(file, ["admin", "tokens"])?.place.children.size ?? 0) > 0) return [];
  return [
    at(
      spot,
      "expected tokens (admin.tokens) for an address that other machines reach, or 127.0.0.1, [::1] or unix:path, " +
        `got ${excerpt(textOf(spot))} without any`,
    ),
  ];
}

function textOf({ place }: Spot): string | undefined {
  return typeof place.value === "string" ? place.value : undefined;
}
