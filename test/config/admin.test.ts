import { describe, expect, test } from "vitest";
import { complaints, MINIMAL, parse, wrongWith } from "./file.ts";

const HASH = "ab".repeat(32);
const TOKEN = `{ name: ops, role: admin, sha256: "${HASH}" }`;

describe("admin", () => {
  test("every option reaches the configuration", () => {
    const { admin } = parse(`${MINIMAL}admin:
  address: 0.0.0.0:9901
  hosts: [Proxy.example.com, 192.0.2.1]
  tokens: [{ name: ops, role: swap, sha256: "${HASH.toUpperCase()}" }]
  audit: log/audit.jsonl`);

    expect(admin).toEqual({
      address: { kind: "tcp", host: "0.0.0.0", port: 9901 },
      hosts: ["proxy.example.com", "192.0.2.1"],
      tokens: [{ name: "ops", role: "swap", sha256: HASH }],
      audit: "/etc/sluice/log/audit.jsonl",
    });
  });

  test("an address alone, and a mapping with nothing else, are the same", () => {
    const nothing = { hosts: [], tokens: [], audit: null };
    const address = { kind: "unix", path: "/etc/sluice/run/admin.sock" };

    expect(parse(`${MINIMAL}admin: unix:run/admin.sock`).admin).toEqual({ address, ...nothing });
    expect(parse(`${MINIMAL}admin: { address: "unix:run/admin.sock" }`).admin).toEqual({
      address,
      ...nothing,
    });
  });

  test.each<[line: string, complaint: string]>([
    ["admin: {}", "6:1 admin.address: expected host:port or unix:path, got nothing"],
    ["admin: { address: false }", "6:19 admin.address: expected host:port or unix:path, got false"],
    ["admin: { address: localhost }", '6:19 admin.address: expected host:port or unix:path, got "localhost"'],
    ["admin: []", "6:8 admin: expected host:port, unix:path or false, got an empty list"],
    ["admin: { addres: 127.0.0.1:1 }", "6:1 admin.address: expected host:port or unix:path, got nothing"],
    [
      "admin: 0.0.0.0:9901",
      '6:8 admin: expected tokens (admin.tokens) for an address that other machines reach, or 127.0.0.1, [::1] or unix:path, got "0.0.0.0:9901" without any',
    ],
    [
      "admin: { address: admin.example:9901, tokens: [] }",
      '6:19 admin.address: expected tokens (admin.tokens) for an address that other machines reach, or 127.0.0.1, [::1] or unix:path, got "admin.example:9901" without any',
    ],
    [
      `admin: { address: "unix:/${"a".repeat(107)}" }`,
      "6:19 admin.address: expected a socket's path of at most 107 bytes, got 108 with its folder",
    ],
    [
      "admin: { address: 127.0.0.1:8080 }",
      '6:19 admin.address: expected an address of its own, got "127.0.0.1:8080" as in listen[0] (line 1)',
    ],
    [
      'admin: { address: "127.0.0.1:1", hosts: ["a:80"] }',
      '6:42 admin.hosts[0]: expected a name without a port, like proxy.example.com, got "a:80"',
    ],
    ['admin: { address: "127.0.0.1:1", audit: "" }', '6:41 admin.audit: expected the path of a file, got ""'],
  ])("%s", (line, complaint) => {
    expect(wrongWith(line)[0]).toBe(`sluice.yaml:${complaint}`);
  });

  test.each<[token: string, complaint: string]>([
    [
      "{ name: Ops, role: admin, sha256: HASH }",
      '7:21 admin.tokens[0].name: expected a name of at most 63 of a-z, 0-9, `.`, `_` and `-` that begins with a letter or a digit, got "Ops"',
    ],
    [
      "{ name: local, role: admin, sha256: HASH }",
      '7:21 admin.tokens[0].name: expected a name that the audit log has for nobody else, got "local"',
    ],
    [
      "{ name: ops, role: root, sha256: HASH }",
      '7:32 admin.tokens[0].role: expected read, swap or admin, got "root"',
    ],
    [
      "{ name: ops, role: admin, sha256: abc }",
      '7:47 admin.tokens[0].sha256: expected the 64 hex digits of a token\'s SHA-256, as sluice token prints them, got "abc"',
    ],
    [
      "{ name: ops, role: admin }",
      "7:13 admin.tokens[0].sha256: expected the 64 hex digits of a token's SHA-256, as sluice token prints them, got nothing",
    ],
    [
      "{ name: ops, role: admin, sha256: HASH, token: x }",
      '7:115 admin.tokens[0].token: expected name, role or sha256, got "token"',
    ],
  ])("the token %s", (token, complaint) => {
    const line = `admin:\n  tokens: [ ${token.replace("HASH", `"${HASH}"`)} ]\n  address: 127.0.0.1:9901`;

    expect(wrongWith(line)).toEqual([`sluice.yaml:${complaint}`]);
  });

  test("two tokens of one name, or of one hash, are refused with the line of the first", () => {
    const lines = (second: string): string =>
      `admin:\n  address: 127.0.0.1:9901\n  tokens:\n    - ${TOKEN}\n    - ${second}`;

    expect(wrongWith(lines(`{ name: ops, role: read, sha256: "${"0".repeat(64)}" }`))).toEqual([
      'sluice.yaml:10:15 admin.tokens[1].name: expected a name of its own, got "ops" as in admin.tokens[0].name (line 9)',
    ]);
    expect(wrongWith(lines(`{ name: other, role: read, sha256: "${HASH.toUpperCase()}" }`))).toEqual([
      `sluice.yaml:10:42 admin.tokens[1].sha256: expected a token of its own, got "${HASH.toUpperCase()}" as in admin.tokens[0].sha256 (line 9)`,
    ]);
  });

  test("who writes the token in the place of its hash does not find it in the message", () => {
    const token = "slc_siovgQ36BhUh1RaBVPAdrm8EWcvotAufpvzklkUwzuI";
    const lines = `admin:\n  address: 127.0.0.1:9901\n  tokens:\n    - { name: ${token}, role: ${token}, sha256: ${token} }`;

    const messages = wrongWith(lines).join("\n");

    expect(messages).toContain('got "slc_…"');
    expect(messages).not.toContain("siovg");
  });

  test("an address of its own is none that a listener has by default", () => {
    expect(complaints(MINIMAL.replace("8080", "9901").concat("admin: { address: 127.0.0.1:0 }"))).toEqual([]);
  });

  test.each(["127.8.8.8:1", "[::1]:1", "localhost:1", "unix:/a"])("%s needs no token", (address) => {
    expect(wrongWith(`admin: "${address}"`)).toEqual([]);
    expect(wrongWith(`admin: { address: "${address}" }`)).toEqual([]);
  });

  test("any address may have tokens", () => {
    expect(wrongWith(`admin: { address: "[::]:9901", tokens: [${TOKEN}] }`)).toEqual([]);
    expect(wrongWith(`admin: { address: "unix:/a", tokens: [${TOKEN}] }`)).toEqual([]);
  });
});
