import { sign, verify } from "node:crypto";
import type { PrivateKey, PublicKey } from "./key-file.ts";

/** What is signed: the digest as text, without a line end, so that any tool can sign it. */
export function signedText(digest: string): string {
  return `sha256:${digest}`;
}

/** Reads what stands on a line of a signature file: the signature, or why it is none, as what is said of it. */
export function readSignature(line: string): Buffer | string {
  if (line.length > LINE_LENGTH_MAX) return "is longer than a signature";
  // Node takes anything for base64, and leaves out what is none.
  if (line.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(line)) return "is no base64";
  const signature = Buffer.from(line, "base64");
  if (signature.length >= SIGNATURE_BYTES_MIN) return signature;
  return "is shorter than a signature, which has one line to itself";
}

/** Makes a signature as `signatureLines` reads it, without a line end. */
export function signDigest(digest: string, key: PrivateKey): string {
  return sign(key.public.hash, Buffer.from(signedText(digest)), key.key).toString("base64");
}

/** Whether this is the key's signature of the digest. */
export function isSignature(signature: Buffer, digest: string, { key, hash }: PublicKey): boolean {
  try {
    return verify(hash, Buffer.from(signedText(digest)), key, signature);
  } catch {
    // A signature that OpenSSL cannot make sense of is none.
    return false;
  }
}

/** Of Ed25519 there are always 64. Of ECDSA in DER there are 70 or so, and never as few as this in the life of a universe. */
const SIGNATURE_BYTES_MIN = 56;
/** ECDSA on P-384 in DER has at most 104 bytes. */
const LINE_LENGTH_MAX = 140;
