import { resolve } from "node:path";
import { readPublicKey } from "../trust/key-file.ts";
import { TrustRefused } from "../trust/trust-file.ts";
import { readTrustedRoot } from "../trust/trusted-root.ts";
import { placeAt } from "./issue.ts";
import { formatPath, type Path } from "./problem.ts";
import type { Finding, Place } from "./source.ts";

/**
 * Finds the keys and trusted roots that cannot be used. The files are read here so that a problem has the place of its option;
 * what is read is thrown away, and read again when a component is verified.
 */
export function findTrustProblems(root: Place, folder: string): Finding[] {
  const filters = keysAt(root, ["filters"]).map((name): Path => ["filters", name, "verify"]);
  return [["verify"], ...filters].flatMap((verify) =>
    policiesAt(root, verify).flatMap((policy) => [
      ...keysAt(root, [...policy, "keys"]).flatMap((key) =>
        fileProblems(root, [...policy, "keys", key], folder, readPublicKey),
      ),
      ...fileProblems(root, [...policy, "sigstore", "trusted-root"], folder, readTrustedRoot),
    ]),
  );
}

/** One policy, or each of a list. */
function policiesAt(root: Place, path: Path): Path[] {
  const { place } = placeAt(root, path);
  return Array.isArray(place?.value) ? keysAt(root, path).map((key) => [...path, key]) : [path];
}

function fileProblems(root: Place, path: Path, folder: string, read: (file: string) => unknown): Finding[] {
  const { place, broken } = placeAt(root, path);
  // What is no path is refused by the schema.
  if (broken || typeof place?.value !== "string" || place.value === "" || place.value.includes("\0"))
    return [];
  try {
    read(resolve(folder, place.value));
    return [];
  } catch (error) {
    if (!(error instanceof TrustRefused)) throw error;
    return [{ offset: place.offset, path: formatPath(path), sentence: error.message }];
  }
}

function keysAt(root: Place, path: Path): (string | number)[] {
  return [...(placeAt(root, path).place?.children.keys() ?? [])];
}
