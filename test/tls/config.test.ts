/** Options of TLS, and what is wrong with the files that they name: each problem has the place of its option. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Config } from "../../host/config/config.ts";
import { parseConfig } from "../../host/config/parse.ts";
import { ConfigError } from "../../host/config/problem.ts";
import { Authority, writePair } from "../support/certificate.ts";

let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-tls-"));
  const authority = await Authority.create();
  writePair(folder, "a", await authority.issue(["a.test"]));
  writePair(folder, "b", await authority.issue(["b.test"]));
  writeFileSync(join(folder, "ca.pem"), authority.cert);
  writeFileSync(join(folder, "empty.pem"), "");
  const cipher = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" } as const;
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: cipher,
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  writeFileSync(join(folder, "sealed.key"), privateKey);
});

afterAll(() => rmSync(folder, { recursive: true }));

const REST = `
routes: [{ upstream: api }]
`;

function parse(listen: string, upstream: string): Config {
  const text = `listen: [${listen}]\nupstreams:\n  api: ${upstream}${REST}`;
  return parseConfig(text, join(folder, "sluice.yaml"), {});
}

/** What is wrong, without the folder that all of it is in. */
function complaints(listen: string, upstream = PLAIN): string[] {
  try {
    parse(listen, upstream);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.replaceAll(`${folder}/`, "").split("\n");
  }
}

/** Where the line has the value of the option that the complaint names, or the option itself when nobody knows it. */
function columnOf(line: string, complaint: string): number {
  const option = /([\w-]+):/.exec(complaint)?.[1] ?? "";
  const key = line.indexOf(`${option}: `) + 1;
  return option === "reject-unauthorized" ? key : key + option.length + 2;
}

const PLAIN = '{ servers: ["http://127.0.0.1:9000"] }';

function listening(tls: string): string {
  return `{ address: "127.0.0.1:8443", tls: ${tls} }`;
}

describe("what is left out", () => {
  test("is the strict way, and paths begin at the file's folder", () => {
    const config = parse(listening("{ certificates: [{ cert: a.pem, key: a.key }] }"), PLAIN);
    expect(config.listen[0]?.tls).toEqual({
      certificates: [{ cert: join(folder, "a.pem"), key: join(folder, "a.key") }],
      minVersion: "TLSv1.2",
      clientCa: null,
      clientCertificates: "none",
    });
  });

  test("clients need a certificate as soon as there is an authority for them", () => {
    const config = parse(
      listening("{ certificates: [{ cert: a.pem, key: a.key }], client-ca: ca.pem }"),
      PLAIN,
    );
    expect(config.listen[0]?.tls?.clientCertificates).toBe("required");
  });

  test("a server of https:// is at port 443", () => {
    const config = parse(
      '"127.0.0.1:8080"',
      '{ servers: ["https://api.test"], tls: { server-name: API.test } }',
    );
    expect(config.upstreams[0]).toMatchObject({
      servers: [{ origin: "https://api.test", scheme: "https", host: "api.test", port: 443 }],
      tls: { ca: null, serverName: "api.test", certificate: null },
    });
  });
});

describe("a listener", () => {
  test.each([
    [
      "{ certificates: [{ cert: gone.pem, key: a.key }] }",
      "listen[0].tls.certificates[0].cert: expected a file that can be read, got no such file",
    ],
    [
      "{ certificates: [{ cert: a.pem, key: gone.key }] }",
      "listen[0].tls.certificates[0].key: expected a file that can be read, got no such file",
    ],
    [
      "{ certificates: [{ cert: a.pem, key: b.key }] }",
      "listen[0].tls.certificates[0].key: expected the key of a.pem, got another one",
    ],
    [
      "{ certificates: [{ cert: empty.pem, key: a.key }] }",
      "listen[0].tls.certificates[0].cert: expected a certificate in PEM, got none",
    ],
    [
      "{ certificates: [{ cert: a.pem, key: a.pem }] }",
      "listen[0].tls.certificates[0].key: expected a private key in PEM, got none",
    ],
    [
      "{ certificates: [{ cert: a.pem, key: sealed.key }] }",
      "listen[0].tls.certificates[0].key: expected a private key in PEM, got one that is encrypted",
    ],
    [
      "{ certificates: [{ cert: a.pem, key: . }] }",
      "listen[0].tls.certificates[0].key: expected a file that can be read, got a folder",
    ],
    [
      "{ certificates: [{ cert: a.pem, key: a.key }], client-ca: gone.pem }",
      "listen[0].tls.client-ca: expected a file that can be read, got no such file",
    ],
    [
      "{ certificates: [{ cert: a.pem, key: a.key }], client-certificates: optional }",
      "listen[0].tls.client-certificates: expected client-ca beside it, got optional alone",
    ],
    [
      "{ certificates: [{ cert: a.pem, key: a.key }], client-ca: ca.pem, client-certificates: none }",
      "listen[0].tls.client-certificates: expected optional or required beside client-ca, got none",
    ],
    [
      "{ certificates: [] }",
      "listen[0].tls.certificates: expected a list of certificates, 1 to 1024, got an empty list",
    ],
    [
      "{ certificates: [{ cert: a.pem, key: a.key }], min-version: TLSv1.1 }",
      'listen[0].tls.min-version: expected TLSv1.2 or TLSv1.3, got "TLSv1.1"',
    ],
  ])("with tls: %s", (tls, complaint) => {
    const line = `listen: [${listening(tls)}]`;
    expect(complaints(listening(tls))).toEqual([`sluice.yaml:1:${columnOf(line, complaint)} ${complaint}`]);
  });
});

describe("an upstream", () => {
  const servers = 'servers: ["https://api.test"]';

  test.each([
    [
      `{ ${servers}, tls: { ca: gone.pem } }`,
      "upstreams.api.tls.ca: expected a file that can be read, got no such file",
    ],
    [`{ ${servers}, tls: { cert: a.pem } }`, "upstreams.api.tls.cert: expected a key beside it, got none"],
    [`{ ${servers}, tls: { key: a.key } }`, "upstreams.api.tls.key: expected a cert beside it, got none"],
    [
      `{ ${servers}, tls: { cert: a.pem, key: b.key } }`,
      "upstreams.api.tls.key: expected the key of a.pem, got another one",
    ],
    [
      `{ servers: ["http://a"], tls: { ca: ca.pem } }`,
      "upstreams.api.tls: expected a server that begins with https:// beside tls, got none",
    ],
    [
      `{ ${servers}, tls: { reject-unauthorized: false } }`,
      'upstreams.api.tls.reject-unauthorized: expected ca, server-name, cert or key, got "reject-unauthorized"',
    ],
  ])("with %s", (upstream, complaint) => {
    const column = columnOf(`  api: ${upstream}`, complaint);
    expect(complaints('"127.0.0.1:8080"', upstream)).toEqual([`sluice.yaml:3:${column} ${complaint}`]);
  });
});
