// oxlint-disable-next-line import/no-unassigned-import -- the library below looks for it when it is loaded
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";

/** In PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

/** An authority of a test's own: what it signs is trusted by whoever is told of it, and by nobody else. */
export class Authority {
  /** In PEM. */
  readonly cert: string;
  readonly #certificate: x509.X509Certificate;
  readonly #keys: CryptoKeyPair;
  #serial = 1;

  private constructor(certificate: x509.X509Certificate, keys: CryptoKeyPair) {
    this.cert = certificate.toString("pem");
    this.#certificate = certificate;
    this.#keys = keys;
  }

  static async create(name = "test"): Promise<Authority> {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: "01",
      name: `CN=${name} authority`,
      ...validity(HOUR_MS),
      keys,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    return new Authority(certificate, keys);
  }

  /** A certificate for these names and addresses. */
  async issue(names: readonly string[], validMs: number = HOUR_MS): Promise<Issued> {
    const keys = await newKeys();
    this.#serial += 1;
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: this.#serial.toString(16).padStart(2, "0"),
      subject: `CN=${names[0] ?? "nobody"}`,
      issuer: this.#certificate.subject,
      ...validity(validMs),
      signingKey: this.#keys.privateKey,
      publicKey: keys.publicKey,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: /^[\d.]+$/.test(value) ? "ip" : "dns", value }) as const),
        ),
      ],
    });
    const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
    return {
      cert: certificate.toString("pem"),
      key: `-----BEGIN PRIVATE KEY-----\n${der.toString("base64")}\n-----END PRIVATE KEY-----\n`,
    };
  }
}

/** Writes both files, and gives their paths as the configuration names them. */
export function writePair(folder: string, name: string, { cert, key }: Issued): Issued {
  const files = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key, { mode: 0o600 });
  return files;
}

function newKeys(): Promise<CryptoKeyPair> {
  return webcrypto.subtle.generateKey(SIGNING, true, ["sign", "verify"]);
}

/** Begins an hour ago: clocks differ, and a negative time makes a certificate that has run out. */
function validity(ms: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - 2 * HOUR_MS), notAfter: new Date(Date.now() + ms) };
}

type CryptoKeyPair = webcrypto.CryptoKeyPair;

const SIGNING = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HOUR_MS = 3_600_000;
