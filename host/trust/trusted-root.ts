import { readTrustFile, TrustRefused } from "./trust-file.ts";

/** That of the public sigstore has 10 KiB. */
const ROOT_BYTES_MAX = 1_048_576;

/**
 * Reads a `trusted_root.json`, or throws a `TrustRefused`. What its certificates and keys are worth is found when they are
 * used: until then the libraries that know are not loaded. It blocks: only the main thread may call it.
 */
export function readTrustedRoot(file: string): object {
  const root = parse(readTrustFile(file, ROOT_BYTES_MAX));
  const { mediaType, certificateAuthorities, tlogs } = root;
  if (typeof mediaType !== "string" || !mediaType.startsWith("application/vnd.dev.sigstore.trustedroot"))
    throw new TrustRefused("expected the JSON of a sigstore trusted root, got another one");
  if (!isFilled(certificateAuthorities))
    throw new TrustRefused("expected a trusted root with certificateAuthorities, got none");
  if (tlogs !== undefined && !Array.isArray(tlogs))
    throw new TrustRefused("expected a trusted root with a list of tlogs, got something else");
  return root;
}

function parse(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new TrustRefused("expected the JSON of a sigstore trusted root, got no JSON");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new TrustRefused("expected the JSON of a sigstore trusted root, got another one");
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}
