import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { UpstreamTls } from "../config/config.ts";
import type { Pair, UpstreamMaterial } from "./material.ts";

/** A file that cannot be used. `part` says which one it was; the sentence has nothing of what is in it. */
export class PemRefused extends Error {
  override readonly name = "PemRefused";
  readonly part: "cert" | "key" | "ca";
  readonly file: string;
  /** `expected …, got …`. */
  readonly sentence: string;

  constructor(part: PemRefused["part"], file: string, sentence: string) {
    super(`${file}: ${sentence}`);
    this.part = part;
    this.file = file;
    this.sentence = sentence;
  }
}

/** Reads a certificate and its key, and makes sure of both. It blocks: only the main thread may call it. */
export function readPair(certFile: string, keyFile: string): Pair {
  const cert = read("cert", certFile);
  const [leaf] = certificatesIn("cert", certFile, cert);
  const key = read("key", keyFile);
  if (!(leaf as X509Certificate).checkPrivateKey(privateKeyIn(keyFile, key)))
    throw new PemRefused("key", keyFile, `expected the key of ${certFile}, got another one`);
  try {
    createSecureContext({ cert, key });
  } catch {
    throw new PemRefused(
      "cert",
      certFile,
      "expected a certificate that OpenSSL takes, got one that it refuses",
    );
  }
  return { cert, key };
}

/** Reads what an upstream's servers are spoken with. It blocks: only the main thread may call it. */
export function readUpstream({ ca, serverName, certificate }: UpstreamTls): UpstreamMaterial {
  return {
    ca: ca === null ? null : readAuthorities(ca),
    serverName,
    pair: certificate === null ? null : readPair(certificate.cert, certificate.key),
  };
}

/** Reads the certificates of authorities. It blocks: only the main thread may call it. */
export function readAuthorities(file: string): string {
  const text = read("ca", file);
  certificatesIn("ca", file, text);
  return text;
}

function certificatesIn(part: "cert" | "ca", file: string, text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new PemRefused(part, file, "expected a certificate in PEM, got none");
  return blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new PemRefused(part, file, "expected a certificate in PEM, got one that is damaged");
    }
  });
}

function privateKeyIn(file: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    const found = /^-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(text)
      ? "one that is encrypted"
      : "none";
    throw new PemRefused("key", file, `expected a private key in PEM, got ${found}`);
  }
}

function read(part: PemRefused["part"], file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = REASONS[code ?? ""] ?? code ?? "an error";
    throw new PemRefused(part, file, `expected a file that can be read, got ${why}`);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "no permission to read it",
  EISDIR: "a folder",
};
