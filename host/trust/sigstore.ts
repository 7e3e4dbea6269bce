import { createHash, X509Certificate } from "node:crypto";
import { type Bundle, bundleFromJSON } from "@sigstore/bundle";
import { HashAlgorithm, TrustedRoot } from "@sigstore/protobuf-specs";
import { type Signer, toSignedEntity, toTrustMaterial, VerificationError, Verifier } from "@sigstore/verify";
import { type BundleVerifier, createVerifier } from "sigstore";
import type { VerifyPolicy } from "../config/config.ts";
import { whyUnreasonable } from "./bundle-bounds.ts";
import { foreign, place } from "./excerpt.ts";
import { whyNoWord } from "./statement.ts";
import { TrustRefused } from "./trust-file.ts";
import { readTrustedRoot } from "./trusted-root.ts";

export type SigstorePolicy = Extract<VerifyPolicy, { readonly kind: "sigstore" }>;

/** The component that evidence is held against. */
export interface SignedArtifact {
  /** Lower-case hex. */
  readonly digest: string;
  /** Asked for only where a signature is of the bytes themselves. */
  bytes(): Promise<Uint8Array>;
}

/**
 * Checks sigstore bundles of one artifact. This file loads the libraries for it, and is loaded itself only when a policy
 * asks for it.
 */
export class BundleChecker {
  readonly #artifact: SignedArtifact;
  /** By the file of the root and the threshold. Another artifact reads the roots anew, as they are by then. */
  readonly #checks = new Map<string, Promise<Check>>();
  #bytes: Promise<Buffer> | undefined;

  constructor(artifact: SignedArtifact) {
    this.#artifact = artifact;
  }

  /** Says why a bundle does not satisfy the policy, as what is said of it; undefined when it does. Never rejects. */
  async whyRefused(json: unknown, policy: SigstorePolicy): Promise<string | undefined> {
    let bundle: Bundle;
    try {
      bundle = bundleFromJSON(json);
    } catch {
      return isOldForm(json) ? OLD_FORM : "is no sigstore bundle";
    }
    try {
      // What needs no cryptography comes first: nobody makes the host fetch roots with a file of nonsense.
      return (
        whyUnreasonable(bundle) ??
        whyOther(bundle, this.#artifact.digest) ??
        (await this.#whyUnproven(bundle, json, policy))
      );
    } catch (error) {
      return sentenceOf(error);
    }
  }

  async #whyUnproven(bundle: Bundle, json: unknown, policy: SigstorePolicy): Promise<string | undefined> {
    const certificate = certificateOf(bundle);
    if (certificate === undefined) return "is by a key, without a certificate that says whose it is";
    const check = await this.#checkFor(policy);
    const bytes = bundle.content.$case === "messageSignature" ? await this.#read() : undefined;
    const signer = check(bundle, json, bytes);
    return whyFewLogs(bundle, policy) ?? whyOtherSigner(signer, certificate, policy);
  }

  #checkFor(policy: SigstorePolicy): Promise<Check> {
    const key = JSON.stringify([policy.trustedRoot, policy.tlog]);
    const check = this.#checks.get(key) ?? makeCheck(policy);
    this.#checks.set(key, check);
    return check;
  }

  #read(): Promise<Buffer> {
    this.#bytes ??= readArtifact(this.#artifact);
    return this.#bytes;
  }
}

/**
 * Gives who has signed, or throws. Whether that is the right one is not asked here: the library takes the name in a policy for
 * a pattern that matches anywhere, and so a longer name for the one that was meant.
 */
type Check = (bundle: Bundle, json: unknown, bytes: Buffer | undefined) => Signer;

async function makeCheck({ trustedRoot: file, tlog: tlogThreshold }: SigstorePolicy): Promise<Check> {
  if (file !== null) {
    const material = readMaterial(file);
    // An authority for a company's own use has no log of its certificates. Whoever trusts it says so by a root without one.
    const ctlogThreshold = material.ctlogs.length === 0 ? 0 : 1;
    const verifier = new Verifier(material, { tlogThreshold, ctlogThreshold });
    return (bundle, _, bytes) => verifier.verify(toSignedEntity(bundle, bytes));
  }
  let verifier: BundleVerifier;
  try {
    // The signed metadata in the cache count until they run out: a network that is down keeps nothing from being loaded.
    verifier = await createVerifier({ tlogThreshold, tufForceCache: true });
  } catch (error) {
    throw new TrustRefused(`the public sigstore's trusted root cannot be had: ${foreign(wordsOf(error))}`);
  }
  return (_, json, bytes) => verifier.verify(json as Parameters<BundleVerifier["verify"]>[0], bytes);
}

function readMaterial(file: string): ReturnType<typeof toTrustMaterial> {
  let sentence = "expected certificates and keys of sigstore, got some that are damaged";
  try {
    const root = readTrustedRoot(file);
    return toTrustMaterial(TrustedRoot.fromJSON(root));
  } catch (error) {
    if (error instanceof TrustRefused) sentence = error.message;
    throw new TrustRefused(`trusted root ${place(file)}: ${sentence}`);
  }
}

async function readArtifact(artifact: SignedArtifact): Promise<Buffer> {
  let read: Uint8Array;
  try {
    read = await artifact.bytes();
  } catch {
    throw new TrustRefused("the component cannot be read");
  }
  // The store knows it by its digest, and so do the other kinds of signature: this one must not be of anything else.
  if (createHash("sha256").update(read).digest("hex") !== artifact.digest)
    throw new TrustRefused("the component's bytes are not those of its digest");
  return Buffer.from(read.buffer, read.byteOffset, read.byteLength);
}

/** Whether a bundle is about another artifact, by its own words: for a sentence that says so, and no proof that it is not. */
function whyOther({ content }: Bundle, digest: string): string | undefined {
  if (content.$case === "dsseEnvelope") {
    const { payloadType, payload } = content.dsseEnvelope;
    return whyNoWord(payloadType, payload, digest);
  }
  const { algorithm, digest: signed } = content.messageSignature.messageDigest;
  if (algorithm !== HashAlgorithm.SHA2_256 || signed.toString("hex") === digest) return undefined;
  return `is of another artifact, sha256:${signed.toString("hex").slice(0, 64)}`;
}

/**
 * The library counts entries. A log is known by the first line of the checkpoint that it has signed; the id beside an entry is
 * the bundle's own word, and one entry under two ids is not in two logs.
 */
function whyFewLogs({ verificationMaterial }: Bundle, { tlog }: SigstorePolicy): string | undefined {
  if (tlog < 2) return undefined;
  const logs = verificationMaterial.tlogEntries.flatMap(({ inclusionProof }) => {
    const [origin] = inclusionProof?.checkpoint?.envelope.split("\n", 1) ?? [];
    // Rekor puts the number of a part of itself behind its name.
    return origin === undefined ? [] : [origin.replace(/ - \d+$/, "")];
  });
  const count = new Set(logs).size;
  return count >= tlog ? undefined : `is proven to be in ${count} of ${tlog} transparency logs`;
}

function whyOtherSigner(signer: Signer, certificate: Buffer, policy: SigstorePolicy): string | undefined {
  const issuer = signer.identity?.extensions?.issuer;
  const name = nameIn(certificate);
  if (issuer === undefined || name === undefined)
    return "has a certificate that is not for exactly one URI or e-mail address of an issuer";
  if (issuer !== policy.issuer) return `is by somebody of another issuer, ${foreign(issuer)}`;
  return isMeant(name, policy) ? undefined : `is by somebody else, ${foreign(name)}`;
}

function isMeant(name: string, { identity }: SigstorePolicy): boolean {
  if (identity.kind === "exact") return name === identity.text;
  // Whoever signs chooses a part of the name: an expression that takes long for long ones must not stand still on it.
  return name.length <= NAME_LENGTH_MAX && new RegExp(`^(?:${identity.text})$`, "u").test(name);
}

/**
 * Whom a certificate is for, as Node reads it: the library takes the first of several names, and letters of a foreign script for
 * those of ASCII.
 */
function nameIn(certificate: Buffer): string | undefined {
  const written = new X509Certificate(certificate).subjectAltName ?? "";
  const { name, quoted } =
    /^(?:URI|email):(?:(?<name>[^",]+)|(?<quoted>"(?:[^"\\]|\\.)*"))$/.exec(written)?.groups ?? {};
  return quoted === undefined ? name : (JSON.parse(quoted) as string);
}

function certificateOf({ verificationMaterial: { content } }: Bundle): Buffer | undefined {
  switch (content.$case) {
    case "certificate":
      return content.certificate.rawBytes;
    case "x509CertificateChain":
      return content.x509CertificateChain.certificates[0]?.rawBytes;
    case "publicKey":
      return undefined;
  }
}

/** In our words by the library's code, with the library's own behind, which may name parts of the bundle. */
function sentenceOf(error: unknown): string {
  if (error instanceof TrustRefused) return `cannot be checked: ${error.message}`;
  const what = error instanceof VerificationError ? WORDS[error.code] : undefined;
  return `${what ?? "is damaged"} (${foreign(wordsOf(error))})`;
}

const WORDS: Readonly<Record<string, string>> = {
  TLOG_ERROR: "is not in a transparency log",
  TLOG_MISSING_INCLUSION_ERROR: "is not proven to be in a transparency log",
  TLOG_INCLUSION_PROOF_ERROR: "is not proven to be in a transparency log that is trusted",
  TLOG_INCLUSION_PROMISE_ERROR: "is not promised to be in a transparency log that is trusted",
  TLOG_BODY_ERROR: "has the transparency log's entry of another signature",
  CERTIFICATE_ERROR: "has a certificate that is not trusted, or was not when it was used",
  TIMESTAMP_ERROR: "has no time that is trusted",
  SIGNATURE_ERROR: "is not a signature of this component",
};

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return "no error";
  const { message, cause } = error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}

/** What cosign wrote before there were bundles that all tools read. */
function isOldForm(json: unknown): boolean {
  return typeof json === "object" && json !== null && "base64Signature" in json;
}

const OLD_FORM = "is a bundle of cosign's old form, which --new-bundle-format replaces";

/** A workflow's URI has some hundred. */
const NAME_LENGTH_MAX = 1_024;
