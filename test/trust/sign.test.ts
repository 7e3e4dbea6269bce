/** sluice sign: what it writes, what it says, and what it refuses. */
import { createHash, createPublicKey } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sluice } from "../cli/command.ts";
import { type KeyFiles, KINDS, newKeys, writeKeys } from "./keys.ts";

let cwd: string;
let key: KeyFiles;

const COMPONENT = "\0asm a component";
const DIGEST = createHash("sha256").update(COMPONENT).digest("hex");

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "sluice-sign-"));
  writeFileSync(join(cwd, "f.wasm"), COMPONENT);
  key = writeKeys(cwd, "mine", "ed25519");
});

afterEach(() => rmSync(cwd, { recursive: true }));

function fingerprint(file: string): string {
  const der = createPublicKey(readFileSync(file)).export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest("hex");
}

function signatures(): string[] {
  return readFileSync(join(cwd, "f.wasm.sig"), "utf8").split("\n");
}

test("it tells the digest and the key's fingerprint, and adds one line for each key", async () => {
  expect(await sluice(["sign", "f.wasm", "--key", key.private], { cwd })).toEqual({
    code: 0,
    stdout: `sha256:${DIGEST}\nsigned in f.wasm.sig\nby the key of fingerprint ${fingerprint(key.public)}\n`,
    stderr: "",
  });
  const [first = ""] = signatures();
  expect(signatures()).toEqual([first, ""]);
  const other = writeKeys(cwd, "other", "secp384r1");
  expect((await sluice(["sign", "f.wasm", "--key", other.private], { cwd })).code).toBe(0);
  expect(signatures()).toEqual([first, expect.stringMatching(/^[A-Za-z0-9+/=]{96,140}$/), ""]);
});

test("signing again with the same key changes nothing, though ECDSA would sign otherwise each time", async () => {
  const { private: file } = writeKeys(cwd, "ec", "prime256v1");
  expect((await sluice(["sign", "f.wasm", "--key", file], { cwd })).code).toBe(0);
  const before = signatures();
  const { code, stdout } = await sluice(["sign", "f.wasm", "--key", file], { cwd });
  expect(code).toBe(0);
  expect(stdout).toContain("was signed already in f.wasm.sig");
  expect(signatures()).toEqual(before);
});

test("a line that has no end is ended first, and --json tells the same as data", async () => {
  writeFileSync(join(cwd, "f.wasm.sig"), "AAAA");
  const { stdout } = await sluice(["sign", "f.wasm", "--key", key.private, "--json"], { cwd });
  expect(JSON.parse(stdout)).toEqual({
    file: "f.wasm",
    digest: DIGEST,
    signatures: "f.wasm.sig",
    key: fingerprint(key.public),
    added: true,
  });
  expect(signatures()).toEqual(["AAAA", expect.stringMatching(/^[A-Za-z0-9+/]{86}==$/), ""]);
});

test.each(KINDS)("a key of %s may be in any form of PEM that OpenSSL writes", async (kind) => {
  const { privateKey } = newKeys(kind);
  const type = kind === "ed25519" ? "pkcs8" : "sec1";
  const pem = privateKey.export({ type, format: "pem" });
  writeFileSync(
    join(cwd, "any.key"),
    `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${pem}`,
  );
  expect(await sluice(["sign", "f.wasm", "--key", "any.key"], { cwd })).toMatchObject({
    code: 0,
    stderr: "",
  });
});

test("what cannot be signed with, or signed, is a sentence, and nothing is written", async () => {
  const passphrase = { cipher: "aes-256-cbc", passphrase: "secret", type: "pkcs8", format: "pem" } as const;
  writeFileSync(join(cwd, "sealed.key"), newKeys("ed25519").privateKey.export(passphrase));
  writeFileSync(join(cwd, "rsa.key"), newKeys("rsa").privateKey.export({ type: "pkcs8", format: "pem" }));
  writeFileSync(join(cwd, "damaged.key"), readFileSync(key.private, "utf8").replace(/\n.{9}/, "\n"));
  writeFileSync(join(cwd, "empty.key"), "");
  const refused = async (file: string, keyFile: string): Promise<string> => {
    const { code, stdout, stderr } = await sluice(["sign", file, "--key", keyFile], { cwd });
    expect([code, stdout]).toEqual([1, ""]);
    return stderr;
  };
  expect(await refused("f.wasm", "sealed.key")).toBe(
    "sluice: sealed.key: expected a private key without a passphrase, got one that is encrypted\n",
  );
  expect(await refused("f.wasm", "mine.pem")).toBe(
    "sluice: mine.pem: expected a private key in PEM, got a public key\n",
  );
  expect(await refused("f.wasm", "rsa.key")).toBe(
    "sluice: rsa.key: expected a key for Ed25519, or for ECDSA on P-256 or P-384, got rsa\n",
  );
  expect(await refused("f.wasm", "damaged.key")).toBe(
    "sluice: damaged.key: expected a private key in PEM, got one that is damaged\n",
  );
  expect(await refused("f.wasm", "empty.key")).toBe(
    "sluice: empty.key: expected a private key in PEM, got none\n",
  );
  expect(await refused("f.wasm", "gone.key")).toBe(
    "sluice: gone.key: expected a file that can be read, got no such file\n",
  );
  expect(await refused("gone.wasm", "mine.key")).toBe(
    "sluice: gone.wasm: expected a file that can be read, got no such file\n",
  );
  expect(await refused(".", "mine.key")).toBe("sluice: .: expected a file that can be read, got a folder\n");
  expect(existsSync(join(cwd, "f.wasm.sig"))).toBe(false);
});

test("a signature that no host would look at is not added", async () => {
  writeFileSync(join(cwd, "f.wasm.sig"), "AAAA\n".repeat(32));
  const { code, stderr } = await sluice(["sign", "f.wasm", "--key", key.private], { cwd });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^sluice: f\.wasm\.sig: expected less than 32 signatures, /);
  expect(signatures().length).toBe(33);
});

test("without a key there is nothing to sign with", async () => {
  const { code, stderr } = await sluice(["sign", "f.wasm"], { cwd });
  expect(code).toBe(1);
  expect(stderr).toBe("sluice: required option '--key <file>' not specified\n");
});
