import { basename } from "node:path";
import { readTrustFile, TrustRefused } from "./trust-file.ts";

/** Something that is said to be the signature of a component. Nothing of it is believed before it is checked. */
export interface Evidence {
  /** `key`: lines of base64, a signature each. `sigstore`: a bundle as JSON, or one on each line. */
  readonly kind: "sigstore" | "key";
  readonly text: string;
  /** For messages: the file or registry it is from. */
  readonly from: string;
  /** Why there is no text, although there is something at this place. */
  readonly unreadable?: string;
}

/** A bundle has some 10 KiB, with the whole of an attestation in it. */
export const EVIDENCE_BYTES_MAX = 1_048_576;

/** How many signatures of one component are looked at. */
export const SIGNATURES_MAX = 32;

/** What is put behind the name of a component's file. */
export const SIGNATURE_SUFFIX = ".sig";
const BUNDLE_SUFFIX = ".sigstore.json";

/** Of all files that may be a component's signatures. */
export const SIGNATURE_SUFFIXES: readonly string[] = [SIGNATURE_SUFFIX, BUNDLE_SUFFIX];

/** The lines of a text that are not empty, with their numbers, and no more of them than this. */
export function filledLines(text: string, max: number): { readonly number: number; readonly line: string }[] {
  const filled: { number: number; line: string }[] = [];
  for (const [index, written] of text.split("\n").entries()) {
    const line = written.trim();
    if (line !== "") filled.push({ number: index + 1, line });
    if (filled.length === max) break;
  }
  return filled;
}

/** Signatures that lie beside a component's file. A file that is there but cannot be read is evidence without a text. */
export function evidenceBeside(file: string): Promise<readonly Evidence[]> {
  const found = [read("key", file + SIGNATURE_SUFFIX), read("sigstore", file + BUNDLE_SUFFIX)];
  return Promise.resolve(found.filter((evidence) => evidence !== undefined));
}

function read(kind: Evidence["kind"], file: string): Evidence | undefined {
  const from = basename(file);
  try {
    return { kind, text: readTrustFile(file, EVIDENCE_BYTES_MAX), from };
  } catch (error) {
    if (!(error instanceof TrustRefused)) throw error;
    return error.missing ? undefined : { kind, text: "", from, unreadable: error.message };
  }
}
