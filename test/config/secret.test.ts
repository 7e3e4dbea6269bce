/** Secrets: where they are said to be, and what is said when they are not there. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Config } from "../../host/config/config.ts";
import { parseConfig } from "../../host/config/parse.ts";
import { ConfigError } from "../../host/config/problem.ts";
import { readGranted } from "../../host/config/secret-source.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-secret-"));
  writeFileSync(join(folder, "token"), "t0ken\r\n");
  writeFileSync(join(folder, "key"), Buffer.from([0xff, 0x00, 0x0a]));
  writeFileSync(join(folder, "empty"), "\n");
  writeFileSync(join(folder, "long"), "x".repeat(65_537));
});

afterAll(() => rmSync(folder, { recursive: true }));

function parse(secrets: unknown, grant: unknown = {}): Config {
  const file = {
    listen: ["127.0.0.1:0"],
    upstreams: { main: { servers: ["http://127.0.0.1:1"] } },
    secrets,
    filters: { own: { component: "own.wasm", grant } },
    routes: [{ upstream: "main" }],
  };
  return parseConfig(JSON.stringify(file), join(folder, "sluice.yaml"), { TOKEN: "from the environment" });
}

function wrong(secrets: unknown, grant?: unknown): string[] {
  try {
    parse(secrets, grant);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ path, sentence }) => `${path}: ${sentence}`);
  }
  return [];
}

test("a configuration says where secrets are, and not what they are", () => {
  const config = parse(
    { token: { file: "token" }, other: { env: "TOKEN" } },
    { secrets: ["token", "token"] },
  );
  expect(config.secrets).toEqual([
    { name: "token", source: { kind: "file", path: join(folder, "token") } },
    { name: "other", source: { kind: "env", variable: "TOKEN" } },
  ]);
  expect(config.filters[0]?.grant.secrets).toEqual(["token"]);
  expect(JSON.stringify(config)).not.toMatch(/t0ken|from the environment/);
});

test("a filter is given what it is granted: a text without the line end at its end, other bytes as they are", () => {
  const { filters, secrets } = parse(
    { token: { file: "token" }, key: { file: "key" }, other: { env: "TOKEN" } },
    { secrets: ["key", "token"] },
  );
  const [filter] = filters;
  if (filter === undefined) throw new Error("no filter");
  expect(readGranted(filter, secrets)).toEqual({
    token: Buffer.from("t0ken"),
    key: Buffer.from([0xff, 0x00, 0x0a]),
  });
});

test("what cannot be read is a problem at its place, before anything is started", () => {
  expect(wrong({ a: { file: "none" } })).toEqual([
    "secrets.a: expected a file that can be read, got no such file",
  ]);
  expect(wrong({ a: { file: "." } })).toEqual(["secrets.a: expected a file that can be read, got a folder"]);
  expect(wrong({ a: { file: "empty" } })).toEqual(["secrets.a: expected a secret, got nothing at all"]);
  expect(wrong({ a: { file: "long" } })).toEqual([
    "secrets.a: expected a secret of at most 65536 bytes, got 65537",
  ]);
  expect(wrong({ a: { env: "NONE" } })).toEqual([
    "secrets.a: expected a secret in the environment variable NONE, got no such variable",
  ]);
});

test("a file that is gone later is told by the names of the secret and the filter", () => {
  const file = join(folder, "gone");
  writeFileSync(file, "here");
  const { filters, secrets } = parse({ a: { file: "gone" } }, { secrets: ["a"] });
  rmSync(file);
  const [filter] = filters;
  if (filter === undefined) throw new Error("no filter");
  expect(() => readGranted(filter, secrets)).toThrow(
    "secret a of filter own: expected a file that can be read, got no such file",
  );
});

test("a secret is in one place, and a grant names one that is there", () => {
  const expected = "secrets.a: expected a mapping with file or env, and not both, got a mapping";
  expect(wrong({ a: { file: "token", env: "TOKEN" } })).toEqual([expected]);
  expect(wrong({ a: {} })).toEqual([expected]);
  expect(wrong({ a: { value: "t0ken" } })).toEqual([
    expected,
    'secrets.a.value: expected file or env, got "value"',
  ]);
  expect(wrong({ token: { file: "token" } }, { secrets: ["tokem"] })).toEqual([
    'filters.own.grant.secrets[0]: expected the name of a secret, got "tokem" (did you mean token?)',
  ]);
});
