import type { Bundle } from "@sigstore/bundle";

/**
 * Says what no bundle needs, and what would cost too much to look at; undefined when there is nothing of the kind. Each entry
 * costs signatures to check, and the main thread does nothing else meanwhile.
 */
export function whyUnreasonable({ verificationMaterial }: Bundle): string | undefined {
  const { content, tlogEntries, timestampVerificationData } = verificationMaterial;
  const { rfc3161Timestamps = [] } = timestampVerificationData ?? {};
  if (tlogEntries.length > PROOFS_MAX || rfc3161Timestamps.length > PROOFS_MAX)
    return `has more than ${PROOFS_MAX} entries of transparency logs or timestamps`;
  const certificates =
    content.$case === "certificate"
      ? [content.certificate]
      : content.$case === "x509CertificateChain"
        ? content.x509CertificateChain.certificates
        : [];
  if (certificates.some(({ rawBytes }) => rawBytes.length > CERTIFICATE_BYTES_MAX))
    return `has a certificate of more than ${CERTIFICATE_BYTES_MAX} bytes`;
  // The library takes the name of who has signed a checkpoint for a regular expression, before it checks the signature: one
  // that takes forever would hold the host.
  const names = tlogEntries.flatMap(({ inclusionProof }) =>
    signerNames(inclusionProof?.checkpoint?.envelope),
  );
  if (names.some((name) => !/^[\w.:/-]{1,256}$/.test(name)))
    return "has a transparency log's checkpoint by a name that no log has";
  return undefined;
}

/** The names in the lines of signatures of a signed note. */
function signerNames(note: string = ""): string[] {
  return [...note.matchAll(/\u2014 (\S+) \S+\n/g)].map(([, name = ""]) => name);
}

const PROOFS_MAX = 32;
const CERTIFICATE_BYTES_MAX = 16_384;
