import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { appendFile } from "node:fs/promises";
import { EVIDENCE_BYTES_MAX, filledLines, SIGNATURE_SUFFIX, SIGNATURES_MAX } from "../trust/evidence.ts";
import { type PublicKey, readPrivateKey } from "../trust/key-file.ts";
import { isSignature, readSignature, signDigest } from "../trust/key-signature.ts";
import { readTrustFile, TrustRefused, unreadable } from "../trust/trust-file.ts";
import { printable } from "./complaint.ts";
import { DONE, FAILED } from "./exit-code.ts";

export interface SignOptions {
  /** The file of the private key. */
  readonly key: string;
  readonly json?: boolean | undefined;
}

interface Signed {
  readonly file: string;
  readonly digest: string;
  readonly signatures: string;
  /** The public key's fingerprint. */
  readonly key: string;
  readonly added: boolean;
}

/** Signs a component with a key, in the file beside it that hosts look at. Signing again with the same key changes nothing. */
export async function sign(file: string, options: SignOptions): Promise<number> {
  try {
    const signed = await addSignature(file, options.key);
    process.stdout.write(`${options.json ? JSON.stringify(signed) : printable(describe(signed))}\n`);
    return DONE;
  } catch (error) {
    if (!(error instanceof TrustRefused)) throw error;
    process.stderr.write(`sluice: ${printable(error.message)}\n`);
    return FAILED;
  }
}

async function addSignature(file: string, keyFile: string): Promise<Signed> {
  const key = of(keyFile, () => readPrivateKey(keyFile));
  const digest = await digestOf(file);
  const signatures = `${file}${SIGNATURE_SUFFIX}`;
  const before = of(signatures, () => readBefore(signatures));
  const lines = filledLines(before, SIGNATURES_MAX);
  const added = !lines.some(({ line }) => isBy(line, digest, key.public));
  if (added && lines.length === SIGNATURES_MAX)
    throw new TrustRefused(
      `${signatures}: expected less than ${SIGNATURES_MAX} signatures, as hosts look at no more, got as many. Remove the file, or those of other versions.`,
    );
  if (added) {
    // Not every tool ends its line.
    const gap = before === "" || before.endsWith("\n") ? "" : "\n";
    await append(signatures, `${gap}${signDigest(digest, key)}\n`);
  }
  return { file, digest, signatures, key: key.public.fingerprint, added };
}

function isBy(line: string, digest: string, key: PublicKey): boolean {
  const signature = readSignature(line);
  return typeof signature !== "string" && isSignature(signature, digest, key);
}

function readBefore(file: string): string {
  try {
    return readTrustFile(file, EVIDENCE_BYTES_MAX);
  } catch (error) {
    if (error instanceof TrustRefused && error.missing) return "";
    throw error;
  }
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  } catch (error) {
    throw new TrustRefused(`${file}: ${unreadable(error).message}`);
  }
  return hash.digest("hex");
}

async function append(file: string, text: string): Promise<void> {
  try {
    await appendFile(file, text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new TrustRefused(`${file}: expected a file that can be written, got ${code ?? "an error"}`);
  }
}

/** Says which file it was that is refused. */
function of<Thing>(file: string, read: () => Thing): Thing {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TrustRefused)) throw error;
    throw new TrustRefused(`${file}: ${error.message}`);
  }
}

function describe({ digest, signatures, key, added }: Signed): string {
  const what = added ? "signed in" : "was signed already in";
  return `sha256:${digest}\n${what} ${signatures}\nby the key of fingerprint ${key}`;
}
