/** What is attested of an artifact in an in-toto statement, as far as it says who made it. */

/**
 * Says why a statement is no word for this digest; undefined when it is one.
 *
 * Only statements that vouch for an artifact count. An identity may sign others about the same one: that its tests have
 * failed, or what is wrong with it.
 */
export function whyNoWord(payloadType: string, payload: Buffer, digest: string): string | undefined {
  const statement = payloadType === "application/vnd.in-toto+json" ? parse(payload) : undefined;
  const { _type: type, predicateType, subject } = statement ?? {};
  if (typeof type !== "string" || !type.startsWith("https://in-toto.io/Statement/"))
    return "has an envelope with no in-toto statement in it";
  if (!Array.isArray(subject) || !subject.some((one) => isDigest(one, digest)))
    return "is a statement about other artifacts";
  if (typeof predicateType !== "string" || !VOUCHING.includes(predicateType))
    return "is a statement that does not say where the artifact is from";
  return undefined;
}

function isDigest(subject: unknown, digest: string): boolean {
  const { sha256 } = (subject as { readonly digest?: { readonly sha256?: unknown } } | null)?.digest ?? {};
  return sha256 === digest;
}

function parse(payload: Buffer): Record<string, unknown> | undefined {
  try {
    return JSON.parse(payload.toString("utf8")) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** Provenance, as GitHub's attestations have it, and what cosign signs with. */
const VOUCHING: readonly string[] = [
  "https://slsa.dev/provenance/v0.2",
  "https://slsa.dev/provenance/v1",
  "https://sigstore.dev/cosign/sign/v1",
];
