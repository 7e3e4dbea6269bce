/** Classes of bytes, as RFC 9110 §5.5–5.6 and RFC 9112 have them: a table look-up each. */

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;

/** 1 for a byte of a token (RFC 9110 §5.6.2). */
export const TOKEN: Uint8Array = table((code) =>
  /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)),
);

/** 1 for a byte of a field value: HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5). */
export const VALUE: Uint8Array = table((code) => code === HTAB || (code >= SP && code !== 0x7f));

/** 1 for a byte of a request target: VCHAR but `#`. Others have to be percent-encoded, and fragments stay with the client. */
export const TARGET: Uint8Array = table((code) => code > SP && code < 0x7f && code !== 0x23);

/** The value of a hexadecimal digit; 255 for any other byte. */
export const HEX: Uint8Array = new Uint8Array(256).fill(255);
for (let digit = 0; digit < 16; digit++) {
  const text = digit.toString(16);
  HEX[text.charCodeAt(0)] = digit;
  HEX[text.toUpperCase().charCodeAt(0)] = digit;
}

function table(has: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (has(code) ? 1 : 0));
}
