import type { VerifyPolicy } from "../config/config.ts";
import { type Evidence, EVIDENCE_BYTES_MAX, filledLines, SIGNATURES_MAX } from "./evidence.ts";
import { foreign, place } from "./excerpt.ts";
import { type PublicKey, readPublicKey } from "./key-file.ts";
import { isSignature, readSignature, signedText } from "./key-signature.ts";
import type { BundleChecker, SignedArtifact, SigstorePolicy } from "./sigstore.ts";
import { TrustRefused } from "./trust-file.ts";

/**
 * Undefined when one of the policies is satisfied; otherwise one sentence that says what was looked for and why each piece of
 * evidence does not do. Never rejects: whatever is wrong with evidence, keys or roots is a part of the sentence.
 *
 * It blocks while it reads keys and roots: only the main thread may call it.
 */
export async function whyUntrusted(
  policies: readonly VerifyPolicy[],
  artifact: SignedArtifact,
  evidence: readonly Evidence[],
): Promise<string | undefined> {
  const { keys, problems } = readKeys(policies);
  const identities = policies.filter((policy) => policy.kind === "sigstore");
  // One more than is looked at, to know that there are more.
  const found = evidence.slice(0, SIGNATURES_MAX + 1).flatMap(signaturesIn);
  const checker = await makeChecker(artifact, identities);
  const shortcomings: string[] = [];
  for (const signature of found.slice(0, SIGNATURES_MAX)) {
    const whys = await whyNot(signature, artifact, keys, checker);
    if (whys.length === 0) return undefined;
    shortcomings.push(`${place(signature.from)}, which ${[...new Set(whys)].join(" and ")}`);
  }
  if (found.length > SIGNATURES_MAX) shortcomings.push(`more than ${SIGNATURES_MAX} signatures`);
  const got = shortcomings.length === 0 ? ["none"] : shortcomings;
  return `expected ${wanted(policies, artifact.digest)}, got ${shortened([...got, ...problems]).join("; ")}`;
}

/** What one policy may be satisfied with, or why it is nothing of the kind. */
type Found =
  | { readonly from: string; readonly kind: "nothing"; readonly why: string }
  | { readonly from: string; readonly kind: "key"; readonly signature: Buffer }
  | { readonly from: string; readonly kind: "sigstore"; readonly json: unknown };

/** Bundles held against all policies that ask for an identity. */
type IdentityCheck = (json: unknown) => Promise<readonly string[]>;

/** Each policy's reason; empty as soon as one of them is satisfied. */
async function whyNot(
  found: Found,
  { digest }: SignedArtifact,
  keys: readonly PublicKey[],
  check: IdentityCheck | undefined,
): Promise<readonly string[]> {
  switch (found.kind) {
    case "nothing":
      return [found.why];
    case "key":
      if (keys.length === 0) return ["is by a key, while there is none to check it with"];
      return keys.some((key) => isSignature(found.signature, digest, key))
        ? []
        : ["is not of this component by one of these keys"];
    case "sigstore":
      return check === undefined ? ["is by an identity, while none is asked for"] : check(found.json);
  }
}

/** The libraries are big, and most hosts never need them. */
async function makeChecker(
  artifact: SignedArtifact,
  policies: readonly SigstorePolicy[],
): Promise<IdentityCheck | undefined> {
  if (policies.length === 0) return undefined;
  const { BundleChecker } = await import("./sigstore.ts");
  const checker: BundleChecker = new BundleChecker(artifact);
  return async (json) => {
    const whys: string[] = [];
    for (const policy of policies) {
      const why = await checker.whyRefused(json, policy);
      if (why === undefined) return [];
      whys.push(why);
    }
    return whys;
  };
}

function readKeys(policies: readonly VerifyPolicy[]): {
  readonly keys: readonly PublicKey[];
  readonly problems: readonly string[];
} {
  const keys: PublicKey[] = [];
  const problems: string[] = [];
  for (const file of policies.flatMap((policy) => (policy.kind === "keys" ? policy.keys : []))) {
    try {
      keys.push(readPublicKey(file));
    } catch (error) {
      if (!(error instanceof TrustRefused)) throw error;
      problems.push(`the key ${place(file)} cannot be used: ${error.message}`);
    }
  }
  return { keys, problems };
}

function signaturesIn({ kind, text, from, unreadable }: Evidence): Found[] {
  const nothing = (why: string): Found[] => [{ from, kind: "nothing", why }];
  if (unreadable !== undefined) return nothing(`cannot be read: ${unreadable}`);
  if (Buffer.byteLength(text) > EVIDENCE_BYTES_MAX)
    return nothing(`is longer than ${EVIDENCE_BYTES_MAX} bytes`);
  const lines = filledLines(text, SIGNATURES_MAX + 1);
  if (lines.length === 0) return nothing("is empty");
  const whole = kind === "sigstore" ? parseJson(text) : undefined;
  if (whole !== undefined) return [{ from, kind: "sigstore", json: whole }];
  return lines.map(({ number, line }): Found => {
    const at = `${from} line ${number}`;
    const read = kind === "key" ? readSignature(line) : (parseJson(line) ?? "is no JSON");
    if (typeof read === "string") return { from: at, kind: "nothing", why: read };
    return Buffer.isBuffer(read)
      ? { from: at, kind: "key", signature: read }
      : { from: at, kind: "sigstore", json: read };
  });
}

/** Undefined for what is no JSON, and for what no bundle is: a text, a number, nothing. */
function parseJson(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function wanted(policies: readonly VerifyPolicy[], digest: string): string {
  const ways = policies.map((policy) => {
    if (policy.kind === "keys") return `by a key of ${shortened(policy.keys.map(place)).join(" or ")}`;
    const { kind, text } = policy.identity;
    return `by ${kind === "pattern" ? "an identity like " : ""}${foreign(text)} of ${foreign(policy.issuer)}`;
  });
  return `a signature of ${signedText(digest)} ${ways.join(", or ")}`;
}

/** A sentence is read in a terminal. */
function shortened(parts: readonly string[]): readonly string[] {
  return parts.length <= PARTS_MAX
    ? parts
    : [...parts.slice(0, PARTS_MAX), `${parts.length - PARTS_MAX} more`];
}

const PARTS_MAX = 8;
