import { randomBytes } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { readOciReference } from "../config/oci-reference.ts";
import { ArtifactRefused } from "../filter/contract.ts";
import type { SignatureKind } from "../oci/manifest.ts";
import type { Signature } from "../oci/signatures.ts";
import { printable } from "./complaint.ts";
import { DONE } from "./exit-code.ts";
import { Progress } from "./progress.ts";
import { openRegistries, type RegistryFlags, SIGNATURE_ENDINGS } from "./registry-access.ts";

export interface PullOptions extends RegistryFlags {
  readonly output?: string | undefined;
}

/** Writes a component from a registry to a file, with its signatures beside it, and prints its digest. */
export async function pull(reference: string, options: PullOptions): Promise<number> {
  const registries = openRegistries(reference, options);
  using progress = new Progress(`pulling ${reference}`);
  try {
    const artifact = await registries.resolve(reference);
    const bytes = await artifact.fetch((read) => progress.show(read, artifact.bytes));
    const signatures = await artifact.signatures();
    const file = options.output ?? `${nameOf(reference)}.wasm`;
    // The component comes last: a host that watches its file looks for the signatures at once.
    const places = placesOf(file, signatures);
    for (const [path, text] of places) await writeWhole(path, text);
    await writeWhole(file, bytes);
    const { digest, pinned } = artifact;
    const result = {
      reference: pinned,
      file,
      digest,
      bytes: bytes.length,
      signatures: places.map(([path]) => path),
    };
    process.stdout.write(`${options.json ? JSON.stringify(result) : printable(`${digest}  ${file}`)}\n`);
    return DONE;
  } finally {
    await registries.close();
  }
}

function nameOf(reference: string): string {
  const read = readOciReference(reference);
  return typeof read === "string" ? "component" : basename(read.name);
}

/** The first of each kind is where `push` looks for it; further ones are numbered. */
function placesOf(file: string, signatures: readonly Signature[]): [path: string, text: string][] {
  const count: Record<SignatureKind, number> = { sigstore: 0, key: 0 };
  return signatures.map(({ kind, text }) => {
    count[kind] += 1;
    const number = count[kind] === 1 ? "" : `.${count[kind]}`;
    return [`${file}${number}${SIGNATURE_ENDINGS[kind]}`, text];
  });
}

/** Beside its place and then there at once: a host that watches the file never sees half of it. */
async function writeWhole(file: string, content: Uint8Array | string): Promise<void> {
  const fresh = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString("hex")}`);
  try {
    await writeFile(fresh, content, { flag: "wx" });
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    throw new ArtifactRefused(`${file} cannot be written (${code ?? "unwritable"})`, { cause: error });
  }
}
