import { execFileSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** A key and its files in PEM. */
export interface KeyFiles {
  readonly private: string;
  readonly public: string;
}

/** The kinds that are taken, by the names that OpenSSL has for their curves. */
export const KINDS = ["ed25519", "prime256v1", "secp384r1"] as const;

export function writeKeys(folder: string, name: string, kind: string): KeyFiles {
  const { privateKey, publicKey } = newKeys(kind);
  const files = { private: join(folder, `${name}.key`), public: join(folder, `${name}.pem`) };
  writeFileSync(files.private, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  writeFileSync(files.public, publicKey.export({ type: "spki", format: "pem" }));
  return files;
}

export function newKeys(kind: string): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  if (kind === "ed25519") return generateKeyPairSync("ed25519");
  if (kind === "rsa") return generateKeyPairSync("rsa", { modulusLength: 2_048 });
  return generateKeyPairSync("ec", { namedCurve: kind });
}

/** Runs commands as they stand in the documentation. */
export function shell(commands: string, folder: string): string {
  return execFileSync("sh", ["-euc", commands], {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}
