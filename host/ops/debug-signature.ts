import { createHmac, timingSafeEqual } from "node:crypto";

/** The header of a request that asks for its own timeline. */
export const DEBUG_HEADER = "X-Sluice-Debug";

/** `<expiry>.<signature>`: seconds since 1970, and HMAC-SHA256 of them. Whoever has the key may ask until then. */
export function signDebug(key: Uint8Array, expiresMs: number): string {
  const expiry = String(Math.floor(expiresMs / 1_000));
  return `${expiry}.${signature(key, expiry).toString("base64url")}`;
}

/** Whether a header's value was signed with this key, and still counts. */
export function isDebugSigned(key: Uint8Array, value: string, nowMs: number): boolean {
  const [, expiry = "", signed = ""] = SIGNED.exec(value) ?? [];
  // Asked first: what has expired costs nothing.
  if (expiry === "" || Number(expiry) * 1_000 < nowMs) return false;
  return timingSafeEqual(Buffer.from(signed, "base64url"), signature(key, expiry));
}

function signature(key: Uint8Array, expiry: string): Buffer {
  // What is signed for one purpose must not pass for another, where somebody has given the same secret to both.
  return createHmac("sha256", key).update(`sluice-debug.${expiry}`).digest();
}

/** 43 digits are 32 bytes, whatever they are. */
const SIGNED = /^(\d{1,12})\.([\w-]{43})$/;
