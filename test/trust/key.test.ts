/** Signatures by a key: which do, and what is said of those that do not. */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Evidence, evidenceBeside } from "../../host/trust/evidence.ts";
import { readPrivateKey } from "../../host/trust/key-file.ts";
import { readSignature, signDigest } from "../../host/trust/key-signature.ts";
import { whyUntrusted } from "../../host/trust/trust.ts";
import { type KeyFiles, KINDS, shell, writeKeys } from "./keys.ts";

let folder: string;
const keys = new Map<string, KeyFiles>();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-key-"));
  for (const kind of KINDS) {
    keys.set(kind, writeKeys(folder, kind, kind));
    keys.set(`other ${kind}`, writeKeys(folder, `other-${kind}`, kind));
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

const DIGEST = digestOf("a component");

function digestOf(bytes: string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function keyFiles(name: string): KeyFiles {
  const files = keys.get(name);
  if (files === undefined) throw new Error(`no key ${name}`);
  return files;
}

function signature(name: string, digest = DIGEST): string {
  return signDigest(digest, readPrivateKey(keyFiles(name).private));
}

function lines(text: string): Evidence {
  return { kind: "key", text, from: "f.wasm.sig" };
}

/** Of bytes nothing is asked: signatures by a key are of the digest. */
function artifact(digest = DIGEST): { readonly digest: string; bytes(): Promise<Uint8Array> } {
  return { digest, bytes: () => Promise.reject(new Error("the bytes of a component were read for a key")) };
}

/** What is said of a signature file, for these keys. */
async function why(text: string, ...names: readonly string[]): Promise<string | undefined> {
  const policy = { kind: "keys", keys: names.map((name) => keyFiles(name).public) } as const;
  const sentence = await whyUntrusted([policy], artifact(), [lines(text)]);
  return sentence?.replace(/^expected .*?, got /, "").replaceAll(`${folder}/`, "");
}

const NOT_BY_THESE = "is not of this component by one of these keys";

describe.each(KINDS)("a signature by a key of %s", (kind) => {
  test("is trusted, with or without a line end, among empty lines, and as Windows writes them", async () => {
    const line = signature(kind);
    for (const text of [line, `${line}\n`, `\n\n${line}\n\n`, `${line}\r\n`, `  ${line}  \n`])
      expect(await why(text, kind), JSON.stringify(text)).toBeUndefined();
  });

  test("of another digest is refused", async () => {
    expect(await why(signature(kind, digestOf("tampered")), kind)).toBe(
      `f.wasm.sig line 1, which ${NOT_BY_THESE}`,
    );
  });

  test("by another key of the same kind is refused, and by all other kinds", async () => {
    const others = KINDS.filter((other) => other !== kind);
    expect(await why(signature(kind), `other ${kind}`, ...others)).toBe(
      `f.wasm.sig line 1, which ${NOT_BY_THESE}`,
    );
  });

  test("with any bit of it changed is refused", async () => {
    const bytes = Buffer.from(signature(kind), "base64");
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await why(changed.toString("base64"), kind), `bit ${bit} does not count`).toBeDefined();
    }
  });

  test("with its end missing is refused", async () => {
    const line = signature(kind);
    for (let length = 1; length < line.length; length += 1)
      expect(await why(line.slice(0, length), kind), `the first ${length} letters do`).toBeDefined();
  });

  test("of the digest's bytes instead of its text is refused", async () => {
    writeFileSync(join(folder, "digest.bin"), Buffer.from(DIGEST, "hex"));
    const { private: key } = keyFiles(kind);
    const command =
      kind === "ed25519" ? `pkeyutl -sign -rawin -inkey ${key} -in` : `dgst -sha256 -sign ${key}`;
    expect(await why(shell(`openssl ${command} digest.bin | openssl base64 -A`, folder), kind)).toMatch(
      NOT_BY_THESE,
    );
  });
});

describe("a file of signatures", () => {
  test("has one for each key, and one that does is enough: so keys are changed without a gap", async () => {
    const text = `${signature("other ed25519")}\n${signature("prime256v1")}\n`;
    expect(await why(text, "prime256v1")).toBeUndefined();
    expect(await why(text, "ed25519", "other ed25519")).toBeUndefined();
    expect(await why(text, "secp384r1")).toBe(
      `f.wasm.sig line 1, which ${NOT_BY_THESE}; f.wasm.sig line 2, which ${NOT_BY_THESE}`,
    );
  });

  test.each([
    ["", "f.wasm.sig, which is empty"],
    [" \n\r\n\t", "f.wasm.sig, which is empty"],
    ["no base64!", "f.wasm.sig line 1, which is no base64"],
    [`\n${"A".repeat(85)}`, "f.wasm.sig line 2, which is no base64"],
    ["A".repeat(64), "f.wasm.sig line 1, which is shorter than a signature, which has one line to itself"],
    ["A".repeat(144), "f.wasm.sig line 1, which is longer than a signature"],
    ["A".repeat(88), `f.wasm.sig line 1, which ${NOT_BY_THESE}`],
    ["-----BEGIN PGP SIGNATURE-----", "f.wasm.sig line 1, which is no base64"],
  ])("with %j in it is refused in words", async (text, sentence) => {
    expect(await why(text, "ed25519", "prime256v1")).toBe(sentence);
  });

  test("is looked at for as many signatures as is said, and no longer ones than is said", async () => {
    const wrong = `${signature("ed25519", digestOf("other"))}\n`;
    expect(await why(wrong.repeat(31) + signature("ed25519"), "ed25519")).toBeUndefined();
    const sentence = await why(wrong.repeat(32) + signature("ed25519"), "ed25519");
    expect(sentence, "the thirty-third was looked at").toMatch(/f\.wasm\.sig line 8, which [^;]*; 25 more$/);
    expect(await why(`${"\n".repeat(1_048_576)}${signature("ed25519")}`, "ed25519")).toBe(
      "f.wasm.sig, which is longer than 1048576 bytes",
    );
  });

  test("that anybody made up is refused, and the answer is one line of letters that do no harm", async () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.array(fc.base64String({ maxLength: 160 }), { maxLength: 40 }).map((made) => made.join("\n")),
      fc.uint8Array({ minLength: 56, maxLength: 104 }).map((bytes) => Buffer.from(bytes).toString("base64")),
    );
    await fc.assert(
      fc.asyncProperty(text, async (made) => {
        expect(await why(made, ...KINDS)).toMatch(/^[ -~]{1,2000}$/);
      }),
      { numRuns: 500 },
    );
  });

  test("is read as it is written: what is taken for a signature is the base64 of it and nothing else", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii", maxLength: 160 }), (line) => {
        const read = readSignature(line);
        const length = typeof read === "string" ? line.length : read.toString("base64").length;
        expect(length, "a part of the line was left out").toBe(line.length);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 56, maxLength: 104 }), (bytes) => {
        expect(readSignature(Buffer.from(bytes).toString("base64"))).toEqual(Buffer.from(bytes));
      }),
    );
  });
});

describe("what is looked for", () => {
  test("is told when there is no evidence at all", async () => {
    const one = { kind: "keys", keys: ["/etc/a.pem", "/etc/b.pem"] } as const;
    const other = {
      kind: "sigstore",
      issuer: "https://a.test",
      identity: { kind: "pattern", text: "https://b/.*" },
      trustedRoot: null,
      tlog: 1,
    } as const;
    expect(await whyUntrusted([one, other], artifact(), [])).toBe(
      `expected a signature of sha256:${DIGEST} by a key of /etc/a.pem or /etc/b.pem, or by an identity like "https://b/.*" of "https://a.test", ` +
        "got none; the key /etc/a.pem cannot be used: expected a file that can be read, got no such file; " +
        "the key /etc/b.pem cannot be used: expected a file that can be read, got no such file",
    );
  });

  test("a key that cannot be read takes nothing from the others", async () => {
    const policy = { kind: "keys", keys: [join(folder, "gone.pem"), keyFiles("ed25519").public] } as const;
    expect(await whyUntrusted([policy], artifact(), [lines(signature("ed25519"))])).toBeUndefined();
    const sentence = await whyUntrusted([policy], artifact(), [lines(signature("prime256v1"))]);
    expect(sentence).toMatch(/gone\.pem cannot be used: expected a file that can be read, got no such file$/);
  });

  test("without a policy nothing is trusted", async () => {
    expect(await whyUntrusted([], artifact(), [lines(signature("ed25519"))])).toMatch(
      /^expected a signature/,
    );
  });

  test("evidence from a place with signs in its name moves no cursor", async () => {
    const policy = { kind: "keys", keys: [keyFiles("ed25519").public] } as const;
    const from = "oci://r.test/f\u001b[2J\n\u202e";
    expect(await whyUntrusted([policy], artifact(), [{ kind: "key", text: "x", from }])).toMatch(
      /^[^\p{Cc}\p{Cf}]*$/u,
    );
  });
});

describe("beside a component's file", () => {
  test("lie signatures by keys and bundles, and whatever is not there is no evidence", async () => {
    const file = join(folder, "both.wasm");
    expect(await evidenceBeside(file)).toEqual([]);
    writeFileSync(`${file}.sig`, "AAAA\n");
    expect(await evidenceBeside(file)).toEqual([{ kind: "key", text: "AAAA\n", from: "both.wasm.sig" }]);
    writeFileSync(`${file}.sigstore.json`, "{}");
    expect(await evidenceBeside(file)).toEqual([
      { kind: "key", text: "AAAA\n", from: "both.wasm.sig" },
      { kind: "sigstore", text: "{}", from: "both.wasm.sigstore.json" },
    ]);
  });

  test.each<readonly [string, (file: string) => void, RegExp]>([
    [
      "a folder",
      (file) => mkdirSync(file),
      /which cannot be read: expected a file that can be read, got a folder$/,
    ],
    [
      "a pipe",
      (file) => void shell(`mkfifo ${file}`, folder),
      /which cannot be read: expected a file that can be read, got no regular file$/,
    ],
    [
      "a huge file",
      (file) => writeFileSync(file, Buffer.alloc(1_048_577, "A")),
      /which cannot be read: expected at most 1048576 bytes, got more$/,
    ],
    [
      "bytes that are no text",
      (file) => writeFileSync(file, Buffer.from([0xff, 0xfe, 0x00])),
      /line 1, which is no base64$/,
    ],
  ])("%s in the place of signatures is a reason, and holds nothing up", async (name, make, reason) => {
    const file = join(folder, `${name.replaceAll(" ", "-")}.wasm`);
    make(`${file}.sig`);
    const policy = { kind: "keys", keys: [keyFiles("ed25519").public] } as const;
    expect(await whyUntrusted([policy], artifact(), await evidenceBeside(file))).toMatch(reason);
  });

  test("a component that is signed is trusted until it is tampered with, whichever signature is copied to it", async () => {
    const file = join(folder, "f.wasm");
    writeFileSync(file, "\0asm one");
    const digest = digestOf("\0asm one");
    writeFileSync(`${file}.sig`, signature("secp384r1", digest));
    const policy = { kind: "keys", keys: [keyFiles("secp384r1").public] } as const;
    expect(await whyUntrusted([policy], artifact(digest), await evidenceBeside(file))).toBeUndefined();
    const tampered = digestOf("\0asm two");
    expect(await whyUntrusted([policy], artifact(tampered), await evidenceBeside(file))).toMatch(
      NOT_BY_THESE,
    );
    copyFileSync(`${file}.sig`, join(folder, "g.wasm.sig"));
    expect(
      await whyUntrusted([policy], artifact(tampered), await evidenceBeside(join(folder, "g.wasm"))),
    ).toMatch(NOT_BY_THESE);
  });
});
