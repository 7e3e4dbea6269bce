import { createHash, generateKeyPairSync, type KeyObject, randomInt, sign } from "node:crypto";
import { initializeCTLog, initializeTLog, initializeTSA } from "@sigstore/mock";
import { Fulcio, type Name } from "./fulcio.ts";

/** What a bundle is made of, as JSON. Tests take it apart. */
export interface WrittenBundle {
  mediaType: string;
  verificationMaterial: {
    certificate?: { rawBytes: string };
    publicKey?: { hint: string };
    tlogEntries: WrittenEntry[];
    timestampVerificationData?: { rfc3161Timestamps: { signedTimestamp: string }[] };
  };
  messageSignature?: { messageDigest: { algorithm: string; digest: string }; signature: string };
  dsseEnvelope?: { payloadType: string; payload: string; signatures: { sig: string }[] };
}

export interface WrittenEntry {
  logIndex: string;
  logId: { keyId: string };
  kindVersion: { kind: string; version: string };
  integratedTime: string;
  inclusionPromise?: { signedEntryTimestamp: string };
  inclusionProof?: {
    logIndex: string;
    rootHash: string;
    treeSize: string;
    hashes: string[];
    checkpoint: { envelope: string };
  };
  canonicalizedBody: string;
}

export const GITHUB = "https://token.actions.githubusercontent.com";
export const WORKFLOW = "https://github.com/acme/filters/.github/workflows/release.yml@refs/heads/main";

interface Signing {
  readonly names?: readonly Name[];
  readonly issuer?: string;
  /** When the log says that it got the entry. */
  readonly loggedAt?: Date;
}

/** A sigstore of a test's own, with real keys: nobody outside of it is asked, and nobody outside trusts it. */
export class SigstoreWorld {
  /** Its `trusted_root.json`. */
  readonly trustedRoot: string;
  readonly #fulcio: Fulcio;
  readonly #log: Keys;
  readonly #timestamps: Awaited<ReturnType<typeof initializeTSA>>;

  private constructor(parts: {
    readonly trustedRoot: string;
    readonly fulcio: Fulcio;
    readonly log: Keys;
    readonly timestamps: Awaited<ReturnType<typeof initializeTSA>>;
  }) {
    this.trustedRoot = parts.trustedRoot;
    this.#fulcio = parts.fulcio;
    this.#log = parts.log;
    this.#timestamps = parts.timestamps;
  }

  /** `private`: without a log of certificates, as companies run it for themselves. */
  static async create(kind: "public" | "private" = "public"): Promise<SigstoreWorld> {
    const [log, certificateLog] = [newKeys(), newKeys()];
    const fulcio = await Fulcio.create(kind === "public" ? await initializeCTLog(certificateLog) : undefined);
    // A whole second, as milliseconds that end in zeros are written in a form that is not read; and none that is over before
    // the authority's own certificate is made.
    const soon = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 2_000);
    const timestamps = await initializeTSA(newKeys(), soon);
    const authority = (...certificates: readonly ArrayBufferView[]): unknown => ({
      subject: { commonName: "test", organization: "test" },
      certChain: { certificates: certificates.map((one) => ({ rawBytes: base64(one) })) },
      validFor: { start: VALID_FROM },
    });
    const root = {
      mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
      tlogs: [trustedLog("https://rekor.test", log)],
      ctlogs: kind === "public" ? [trustedLog("https://ct.test", certificateLog)] : [],
      certificateAuthorities: [authority(fulcio.root)],
      timestampAuthorities: [authority(timestamps.intCertificate, timestamps.rootCertificate)],
    };
    return new SigstoreWorld({ trustedRoot: JSON.stringify(root), fulcio, log, timestamps });
  }

  /** As `cosign sign-blob` does. */
  async signBytes(bytes: Uint8Array, signing: Signing = {}): Promise<WrittenBundle> {
    const { keys, certificate } = await this.#identify(signing);
    const digest = createHash("sha256").update(bytes).digest();
    const signature = sign("sha256", bytes, keys.privateKey).toString("base64");
    const spec = {
      data: { hash: { algorithm: "sha256", value: digest.toString("hex") } },
      signature: { content: signature, publicKey: { content: certificate.toString("base64") } },
    };
    return {
      ...(await this.#envelope(certificate, { kind: "hashedrekord", apiVersion: "0.0.1", spec }, signing)),
      messageSignature: {
        messageDigest: { algorithm: "SHA2_256", digest: digest.toString("base64") },
        signature,
      },
    };
  }

  /** As GitHub attests, or anything else that is put into an envelope. */
  async signStatement(
    statement: unknown,
    signing: Signing = {},
    payloadType = "application/vnd.in-toto+json",
  ): Promise<WrittenBundle> {
    const { keys, certificate } = await this.#identify(signing);
    const payload = Buffer.from(JSON.stringify(statement));
    const encoded = `DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} ${payload.toString()}`;
    const signature = sign("sha256", Buffer.from(encoded), keys.privateKey).toString("base64");
    const spec = {
      payloadHash: { algorithm: "sha256", value: createHash("sha256").update(payload).digest("hex") },
      signatures: [{ signature, verifier: certificate.toString("base64") }],
    };
    return {
      ...(await this.#envelope(certificate, { kind: "dsse", apiVersion: "0.0.1", spec }, signing)),
      dsseEnvelope: { payloadType, payload: payload.toString("base64"), signatures: [{ sig: signature }] },
    };
  }

  /** The word of an authority that a signature was there by now. */
  async timestamp(signature: string): Promise<string> {
    const artifactHash = createHash("sha256").update(Buffer.from(signature, "base64")).digest();
    const written = await this.#timestamps.timestamp({
      artifactHash,
      hashAlgorithmOID: "2.16.840.1.101.3.4.2.1",
      nonce: randomInt(1_000_000),
      policyOID: "1.2.3.4.1",
    });
    return base64(written);
  }

  async #identify({ names = [{ type: "url", value: WORKFLOW }], issuer = GITHUB }: Signing): Promise<{
    readonly keys: Keys;
    readonly certificate: Buffer;
  }> {
    const keys = newKeys();
    return { keys, certificate: await this.#fulcio.certify(keys.publicKey, names, issuer) };
  }

  async #envelope(
    certificate: Buffer,
    body: { readonly kind: string; readonly apiVersion: string; readonly spec: unknown },
    { loggedAt }: Signing,
  ): Promise<WrittenBundle> {
    const log = await initializeTLog("https://rekor.test", this.#log, loggedAt);
    const [entry] = Object.values((await log.log(body)) as Record<string, LoggedEntry>);
    if (entry === undefined) throw new Error("the log gave no entry");
    return {
      mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      verificationMaterial: {
        certificate: { rawBytes: certificate.toString("base64") },
        tlogEntries: [writtenEntry(entry, body.kind, body.apiVersion)],
      },
    };
  }
}

/** As Rekor's API answers. */
interface LoggedEntry {
  readonly body: string;
  readonly integratedTime: number;
  readonly logID: string;
  readonly logIndex: number;
  readonly verification: {
    readonly signedEntryTimestamp: string;
    readonly inclusionProof: {
      readonly logIndex: number;
      readonly rootHash: string;
      readonly treeSize: number;
      readonly checkpoint: string;
    };
  };
}

function writtenEntry({ verification, ...entry }: LoggedEntry, kind: string, version: string): WrittenEntry {
  const { inclusionProof: proof, signedEntryTimestamp } = verification;
  return {
    logIndex: String(entry.logIndex),
    logId: { keyId: Buffer.from(entry.logID, "hex").toString("base64") },
    kindVersion: { kind, version },
    integratedTime: String(entry.integratedTime),
    inclusionPromise: { signedEntryTimestamp },
    inclusionProof: {
      logIndex: String(proof.logIndex),
      rootHash: Buffer.from(proof.rootHash, "hex").toString("base64"),
      treeSize: String(proof.treeSize),
      hashes: [],
      checkpoint: { envelope: proof.checkpoint },
    },
    canonicalizedBody: entry.body,
  };
}

interface Keys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

function newKeys(): Keys {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function trustedLog(baseUrl: string, { publicKey }: Keys): unknown {
  const key = publicKey.export({ type: "spki", format: "der" });
  return {
    baseUrl,
    hashAlgorithm: "SHA2_256",
    publicKey: {
      rawBytes: key.toString("base64"),
      keyDetails: "PKIX_ECDSA_P256_SHA_256",
      validFor: { start: VALID_FROM },
    },
    logId: { keyId: createHash("sha256").update(key).digest("base64") },
  };
}

function base64(bytes: ArrayBufferView): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

const VALID_FROM = "2020-01-01T00:00:00Z";
