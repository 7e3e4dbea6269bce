import {
  type Descriptor,
  MANIFEST_TYPES,
  readManifest,
  SIGNATURE_TYPES,
  type SignatureKind,
} from "./manifest.ts";
import { RegistryFault } from "./registry-fault.ts";
import type { Document, Repository } from "./repository.ts";

export interface Signature {
  /** `sigstore`: a sigstore bundle as JSON; `key`: a signature of our own form. */
  readonly kind: SignatureKind;
  readonly text: string;
}

/**
 * The signatures that refer to a manifest. Anybody who may push may attach one: what has not the form of a signature, or refers to
 * something else, is passed over, so that it cannot stand in the way of a good one. A registry that does not answer is a `RegistryFault`.
 */
export async function readSignatures(repository: Repository, subject: Document): Promise<Signature[]> {
  const signatures: Signature[] = [];
  for (const kind of Object.keys(SIGNATURE_TYPES) as SignatureKind[]) {
    const referrers = await repository.referrers(subject.digest, SIGNATURE_TYPES[kind]);
    for (const referrer of referrers.slice(0, SIGNATURES_MAX)) {
      const text = await readSignature(repository, subject, referrer, SIGNATURE_TYPES[kind]);
      if (text !== undefined) signatures.push({ kind, text });
    }
  }
  return signatures;
}

async function readSignature(
  repository: Repository,
  subject: Document,
  referrer: Descriptor,
  type: string,
): Promise<string | undefined> {
  const found = await repository.findManifest(referrer.digest);
  const manifest =
    found !== undefined && MANIFEST_TYPES.has(found.type) ? readManifest(found.text) : undefined;
  if (manifest?.subject?.digest !== subject.digest || manifest.artifactType !== type) return undefined;
  const [layer] = manifest.layers;
  if (layer === undefined || manifest.layers.length > 1 || layer.size > SIGNATURE_BYTES_MAX) return undefined;
  try {
    return (await repository.blob(layer)).toString();
  } catch (error) {
    if (error instanceof RegistryFault && error.status === 404) return undefined;
    throw error;
  }
}

/** Of each kind. */
const SIGNATURES_MAX = 32;
/** A sigstore bundle with its certificates and proofs has some ten KiB. */
export const SIGNATURE_BYTES_MAX: number = 1_024 * 1_024;
