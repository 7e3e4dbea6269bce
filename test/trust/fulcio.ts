// oxlint-disable-next-line import/no-unassigned-import -- the library below looks for it when it is loaded
import "reflect-metadata";
import { createHash, type KeyObject, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** An authority that certifies whom a key is of, as Fulcio does: for minutes, and with the word of a log that it has done so. */
export class Fulcio {
  /** In DER. */
  readonly root: Buffer;
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #certificate: x509.X509Certificate;
  readonly #log: CertificateLog | undefined;

  private constructor(
    certificate: x509.X509Certificate,
    keys: webcrypto.CryptoKeyPair,
    log: CertificateLog | undefined,
  ) {
    this.root = Buffer.from(certificate.rawData);
    this.#certificate = certificate;
    this.#keys = keys;
    this.#log = log;
  }

  /** Without a log nobody vouches for its certificates but itself. */
  static async create(log: CertificateLog | undefined): Promise<Fulcio> {
    const keys = await webcrypto.subtle.generateKey(SIGNING, true, ["sign", "verify"]);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: "01",
      name: "CN=fulcio, O=test",
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + DAY_MS),
      keys,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return new Fulcio(certificate, keys, log);
  }

  /** In DER. The certificate is good for ten minutes. */
  async certify(publicKey: KeyObject, names: readonly Name[], issuer: string): Promise<Buffer> {
    const spki = publicKey.export({ type: "spki", format: "der" });
    const key = await webcrypto.subtle.importKey("spki", spki, SIGNING, true, ["verify"]);
    const extensions = [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.codeSigning]),
      new x509.SubjectAlternativeNameExtension([...names], true),
      await x509.AuthorityKeyIdentifierExtension.create(this.#keys.publicKey),
      new x509.Extension("1.3.6.1.4.1.57264.1.8", false, der(UTF8_STRING, Buffer.from(issuer))),
    ];
    const now = Date.now();
    const make = (more: readonly x509.Extension[]): Promise<x509.X509Certificate> =>
      x509.X509CertificateGenerator.create({
        serialNumber: "02",
        // Some tests put together what was made a little before.
        notBefore: new Date(now - 5 * 60_000),
        notAfter: new Date(now + 10 * 60_000),
        issuer: this.#certificate.subject,
        publicKey: key,
        signingKey: this.#keys.privateKey,
        signingAlgorithm: SIGNING,
        extensions: [...extensions, ...more],
      });
    if (this.#log === undefined) return Buffer.from((await make([])).rawData);
    const word = await this.#log.log((await make([])).rawData, await this.#keyHash());
    return Buffer.from((await make([logged(Buffer.from(word))])).rawData);
  }

  async #keyHash(): Promise<ArrayBuffer> {
    const spki = await webcrypto.subtle.exportKey("spki", this.#keys.publicKey);
    return new Uint8Array(createHash("sha256").update(Buffer.from(spki)).digest()).buffer;
  }
}

/** What a certificate can be for. */
export interface Name {
  readonly type: "url" | "email" | "dns";
  readonly value: string;
}

/** Vouches that a certificate is in a public log, before it is issued. */
interface CertificateLog {
  readonly log: (certificate: ArrayBuffer, issuerKeyHash: ArrayBuffer) => Promise<ArrayBuffer>;
}

/** RFC 6962, 3.3: a list of one, which comes with its own length, in an octet string. */
function logged(word: Buffer): x509.Extension {
  const list = Buffer.concat([Buffer.from([word.length >> 8, word.length & 0xff]), word]);
  return new x509.Extension("1.3.6.1.4.1.11129.2.4.2", false, der(OCTET_STRING, list));
}

/** Of less than 256 bytes. */
function der(tag: number, value: Buffer): Uint8Array<ArrayBuffer> {
  const length = value.length < 128 ? [value.length] : [0x81, value.length];
  return new Uint8Array([tag, ...length, ...value]);
}

const SIGNING = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const UTF8_STRING = 0x0c;
const OCTET_STRING = 0x04;
const DAY_MS = 86_400_000;
