import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { readTrustFile, TrustRefused } from "./trust-file.ts";

/** A key that signatures are checked with. */
export interface PublicKey {
  readonly key: KeyObject;
  /** What the text is hashed with; null where the algorithm does so itself. */
  readonly hash: "sha256" | null;
  /** SHA-256 of the key in DER, lower-case hex. */
  readonly fingerprint: string;
}

export interface PrivateKey {
  readonly key: KeyObject;
  readonly public: PublicKey;
}

/** Keys are some hundred bytes: what is longer is another file. */
const KEY_BYTES_MAX = 65_536;

/** Reads a public key in PEM, or throws a `TrustRefused`. It blocks: only the main thread may call it. */
export function readPublicKey(file: string): PublicKey {
  const text = readTrustFile(file, KEY_BYTES_MAX);
  const labels = labelsOf(text);
  // Node would take a private key and a certificate for a public key, too. Neither belongs on this machine as one.
  if (labels.length !== 1 || labels[0] !== "PUBLIC KEY")
    throw new TrustRefused(`expected a public key in PEM, got ${describe(labels)}`);
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch {
    throw new TrustRefused("expected a public key in PEM, got one that is damaged");
  }
  return known(key);
}

/** Reads a private key in PEM, or throws a `TrustRefused`. */
export function readPrivateKey(file: string): PrivateKey {
  const text = readTrustFile(file, KEY_BYTES_MAX);
  const labels = labelsOf(text).filter((label) => label !== "EC PARAMETERS");
  if (/^Proc-Type: 4,ENCRYPTED/m.test(text) || labels.includes("ENCRYPTED PRIVATE KEY"))
    throw new TrustRefused("expected a private key without a passphrase, got one that is encrypted");
  if (labels.length !== 1 || !labels[0]?.endsWith("PRIVATE KEY"))
    throw new TrustRefused(`expected a private key in PEM, got ${describe(labels)}`);
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch {
    throw new TrustRefused("expected a private key in PEM, got one that is damaged");
  }
  return { key, public: known(createPublicKey(key)) };
}

function known(key: KeyObject): PublicKey {
  const fingerprint = createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("hex");
  if (key.asymmetricKeyType === "ed25519") return { key, hash: null, fingerprint };
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === "ec" && (curve === "prime256v1" || curve === "secp384r1"))
    return { key, hash: "sha256", fingerprint };
  const kind = curve ?? key.asymmetricKeyType ?? "another";
  throw new TrustRefused(`expected a key for Ed25519, or for ECDSA on P-256 or P-384, got ${kind}`);
}

function labelsOf(text: string): string[] {
  return [...text.matchAll(/^-----BEGIN ([A-Z0-9 ]+)-----/gm)].map(([, label = ""]) => label);
}

/** Labels are the file's words, of capitals and digits: only the ones that are known are told. */
function describe(labels: readonly string[]): string {
  if (labels.length > 1) return `${labels.length} things in PEM`;
  const [label] = labels;
  if (label === undefined) return "none";
  if (label.endsWith("PRIVATE KEY")) return "a private key";
  if (label === "PUBLIC KEY") return "a public key";
  return label === "CERTIFICATE" ? "a certificate" : "something else in PEM";
}
