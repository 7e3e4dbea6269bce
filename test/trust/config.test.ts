/** The option `verify`, and what is wrong with the files that it names: each problem has the place of its option. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import * as z from "zod";
import type { VerifyPolicy } from "../../host/config/config.ts";
import { parseConfig } from "../../host/config/parse.ts";
import { ConfigError } from "../../host/config/problem.ts";
import { editorSchema } from "../../host/config/reference.ts";
import { Authority } from "../support/certificate.ts";
import { newKeys, writeKeys } from "./keys.ts";
import { GITHUB, SigstoreWorld, WORKFLOW } from "./sigstore-world.ts";

let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-verify-"));
  for (const kind of ["ed25519", "prime256v1", "secp384r1", "secp256k1", "rsa"])
    writeKeys(folder, kind, kind);
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  const pem = (): string => newKeys("ed25519").publicKey.export({ type: "spki", format: "pem" });
  write("two.pem", pem() + pem());
  write("damaged.pem", pem().replace(/\n.{9}/, "\n"));
  write("empty.pem", "");
  write("big.pem", `${pem()}${"#".repeat(65_536)}`);
  write("cert.pem", (await Authority.create()).cert);
  write("root.json", (await SigstoreWorld.create()).trustedRoot);
  write("text.json", "no JSON");
  write("bundle.json", '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}');
  write(
    "bare.json",
    '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","certificateAuthorities":[]}',
  );
});

afterAll(() => rmSync(folder, { recursive: true }));

const REST =
  'listen: ["127.0.0.1:0"]\nupstreams: { a: { servers: ["http://127.0.0.1:1"] } }\nroutes: [{ upstream: a }]\n';

/** What is asked of a filter with this in the file, and this beside its component. */
function asked(top: string, own = ""): readonly VerifyPolicy[] | null | undefined {
  const text = `${REST}${top}\nfilters: { f: { component: f.wasm${own === "" ? "" : `, ${own}`} } }\n`;
  return parseConfig(text, join(folder, "sluice.yaml"), { KEY: "ed25519.pem" }).filters[0]?.verify;
}

/** What is wrong with a line, which is the file's fourth, without the folder that all of it is in. */
function complaints(line: string): string[] {
  try {
    parseConfig(REST + line, join(folder, "sluice.yaml"), { KEY: "gone.pem" });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.replaceAll(`${folder}/`, "").split("\n");
  }
}

const IDENTITY = `sigstore: { issuer: "${GITHUB}", identity: "${WORKFLOW}" }`;

describe("what is asked for", () => {
  const keys = (...names: readonly string[]): VerifyPolicy => ({
    kind: "keys",
    keys: names.map((name) => join(folder, name)),
  });
  const workflow: VerifyPolicy = {
    kind: "sigstore",
    issuer: GITHUB,
    identity: { kind: "exact", text: WORKFLOW },
    trustedRoot: null,
    tlog: 1,
  };

  test("is nothing, unless somebody says so", () => {
    expect(asked("")).toBeNull();
    expect(asked("verify: none")).toBeNull();
  });

  test("is the file's, for filters that say nothing; one policy is a list of one", () => {
    expect(asked("verify: { keys: [ed25519.pem, prime256v1.pem] }")).toEqual([
      keys("ed25519.pem", "prime256v1.pem"),
    ]);
    expect(asked(`verify: [{ keys: [secp384r1.pem] }, { ${IDENTITY} }]`)).toEqual([
      keys("secp384r1.pem"),
      workflow,
    ]);
  });

  test("is the filter's own, and then nothing of the file's", () => {
    expect(asked(`verify: { ${IDENTITY} }`, "verify: { keys: [ed25519.pem] }")).toEqual([
      keys("ed25519.pem"),
    ]);
    expect(asked(`verify: { ${IDENTITY} }`, "verify: none")).toBeNull();
    expect(asked("", `verify: { ${IDENTITY} }`)).toEqual([workflow]);
  });

  test("has every option of an identity, with paths that begin at the file's folder", () => {
    const like = `sigstore: { issuer: "${GITHUB}", identity-regexp: "https://github\\\\.com/acme/.+", trusted-root: root.json, tlog: 2 }`;
    expect(asked(`verify: { ${like} }`)).toEqual([
      {
        kind: "sigstore",
        issuer: GITHUB,
        identity: { kind: "pattern", text: "https://github\\.com/acme/.+" },
        trustedRoot: join(folder, "root.json"),
        tlog: 2,
      },
    ]);
  });

  test("may be written with variables", () => {
    expect(asked('verify: { keys: ["${KEY}"] }')).toEqual([keys("ed25519.pem")]);
  });
});

describe("a problem with a file is told at the place of its option", () => {
  test.each([
    ["gone.pem", "expected a file that can be read, got no such file"],
    [".", "expected a file that can be read, got a folder"],
    ["empty.pem", "expected a public key in PEM, got none"],
    ["ed25519.key", "expected a public key in PEM, got a private key"],
    ["cert.pem", "expected a public key in PEM, got a certificate"],
    ["two.pem", "expected a public key in PEM, got 2 things in PEM"],
    ["damaged.pem", "expected a public key in PEM, got one that is damaged"],
    ["big.pem", "expected at most 65536 bytes, got more"],
    ["rsa.pem", "expected a key for Ed25519, or for ECDSA on P-256 or P-384, got rsa"],
    ["secp256k1.pem", "expected a key for Ed25519, or for ECDSA on P-256 or P-384, got secp256k1"],
  ])("keys: %s", (name, sentence) => {
    expect(complaints(`verify: { keys: [ed25519.pem, ${name}] }`)).toEqual([
      `sluice.yaml:4:31 verify.keys[1]: ${sentence}`,
    ]);
  });

  test.each([
    ["gone.json", "expected a file that can be read, got no such file"],
    ["text.json", "expected the JSON of a sigstore trusted root, got no JSON"],
    ["bundle.json", "expected the JSON of a sigstore trusted root, got another one"],
    ["bare.json", "expected a trusted root with certificateAuthorities, got none"],
  ])("trusted-root: %s", (name, sentence) => {
    const before = `verify: [{ sigstore: { issuer: "${GITHUB}", identity: a@b.test, trusted-root: `;
    expect(complaints(`${before}${name} } }]`)).toEqual([
      `sluice.yaml:4:${before.length + 1} verify[0].sigstore.trusted-root: ${sentence}`,
    ]);
  });

  test("of a filter, too, and all of them at once", () => {
    expect(
      complaints(
        "verify: { keys: [gone.pem] }\nfilters: { f: { component: f.wasm, verify: [{ keys: [rsa.pem] }] } }",
      ),
    ).toEqual([
      "sluice.yaml:4:18 verify.keys[0]: expected a file that can be read, got no such file",
      "sluice.yaml:5:54 filters.f.verify[0].keys[0]: expected a key for Ed25519, or for ECDSA on P-256 or P-384, got rsa",
    ]);
  });

  test("and nothing of what is in it is told", () => {
    const [complaint] = complaints("verify: { keys: [ed25519.key] }");
    expect(complaint).not.toMatch(/BEGIN|MC4C/);
  });
});

describe("a policy of another form is refused at its place", () => {
  const WHOLE = "expected a mapping with keys or sigstore, a list of such mappings, or none";
  test.each([
    ["verify: always", `4:9 verify: ${WHOLE}, got "always"`],
    ["verify: true", `4:9 verify: ${WHOLE}, got true`],
    [
      "verify: []",
      "4:9 verify: expected a list of mappings with keys or sigstore, 1 to 8, got an empty list",
    ],
    ["verify: {}", "4:9 verify: expected a mapping with keys or sigstore, got a mapping"],
    [
      "verify: { key: a.pem, keys: [ed25519.pem] }",
      '4:11 verify.key: expected a known option, got "key" (did you mean keys?)',
    ],
    ["verify: { keys: [] }", "4:17 verify.keys: expected a list of paths, 1 to 16, got an empty list"],
    [
      "verify: { keys: ed25519.pem }",
      '4:17 verify.keys: expected a list of paths, 1 to 16, got "ed25519.pem"',
    ],
    ["verify: [none]", '4:10 verify[0]: expected a mapping with keys or sigstore, got "none"'],
    [
      "verify: { keys: [ed25519.pem], sigstore: { issuer: https://a.test, identity: a@b.test } }",
      "4:42 verify.sigstore: expected no sigstore beside keys, or a list of both where either is enough, got a mapping",
    ],
    [
      "verify: { sigstore: { issuer: https://a.test } }",
      "4:11 verify.sigstore.identity: expected a workflow's URI or an e-mail address, or identity-regexp in its place, got nothing",
    ],
    [
      "verify: { sigstore: { issuer: https://a.test, identity: a, identity-regexp: b } }",
      '4:77 verify.sigstore.identity-regexp: expected nothing beside identity, got "b"',
    ],
    [
      "verify: { sigstore: { identity: a@b.test } }",
      "4:11 verify.sigstore.issuer: expected a URL like https://token.actions.githubusercontent.com, got nothing",
    ],
    [
      "verify: { sigstore: { issuer: a.test, identity: a@b.test } }",
      '4:31 verify.sigstore.issuer: expected a URL like https://token.actions.githubusercontent.com, got "a.test"',
    ],
    [
      'verify: { sigstore: { issuer: https://a.test, identity-regexp: "(" } }',
      '4:64 verify.sigstore.identity-regexp: expected a regular expression, got "("',
    ],
    [
      'verify: { sigstore: { issuer: https://a.test, identity-regexp: "a)|(?:b" } }',
      '4:64 verify.sigstore.identity-regexp: expected a regular expression, got "a)|(?:b"',
    ],
    [
      "verify: { sigstore: { issuer: https://a.test, identity: a@b.test, tlog: 9 } }",
      "4:73 verify.sigstore.tlog: expected a whole number from 0 to 8, got 9",
    ],
    [
      "verify: { sigstore: { issuer: https://a.test, identity: a@b.test, tlogs: 1 } }",
      '4:67 verify.sigstore.tlogs: expected a known option, got "tlogs" (did you mean tlog?)',
    ],
  ])("%s", (line, complaint) => {
    expect(complaints(line)).toEqual([`sluice.yaml:${complaint}`]);
  });

  test("editors know the form", () => {
    const editors = z.fromJSONSchema(JSON.parse(editorSchema()) as z.core.JSONSchema.JSONSchema);
    const takes = (line: string): boolean => editors.safeParse(parseYaml(REST + line)).success;
    expect(takes("verify: none")).toBe(true);
    expect(takes("verify: { keys: [a.pem] }")).toBe(true);
    expect(takes(`verify: [{ ${IDENTITY} }, { keys: ["\${KEY}"] }]`)).toBe(true);
    expect(takes(`filters: { f: { component: f.wasm, verify: { ${IDENTITY} } } }`)).toBe(true);
    expect(takes("verify: always")).toBe(false);
    expect(takes("verify: { key: a.pem }")).toBe(false);
    expect(takes("verify: [none]")).toBe(false);
  });
});
