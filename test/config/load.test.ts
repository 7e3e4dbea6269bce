import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { loadConfig } from "../../host/config/load.ts";
import { ConfigError } from "../../host/config/problem.ts";
import { MINIMAL } from "./file.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-config-"));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

test("a file is read with the process's environment, and its folder is where paths start", () => {
  vi.stubEnv("SLUICE_TEST_STORE", "cache");
  const file = join(folder, "sluice.yaml");
  writeFileSync(file, `${MINIMAL}artifacts: \${SLUICE_TEST_STORE}\n`);
  expect(loadConfig(file).artifacts).toBe(join(folder, "cache"));
});

test.each<[what: string, prepare: (file: string) => void, sentence: string]>([
  ["that is missing", () => {}, "expected a file that can be read, got no such file"],
  [
    "in a coding other than UTF-8",
    (file) => writeFileSync(file, Buffer.from([0x61, 0xff])),
    "expected a file that can be read, got bytes that are not UTF-8",
  ],
  [
    "that is too large",
    (file) => writeFileSync(file, "#".repeat(2 ** 20 + 1)),
    "expected at most 1048576 bytes, got 1048577",
  ],
])("a file %s is refused with a sentence", (_what, prepare, sentence) => {
  const file = join(folder, "sluice.yaml");
  prepare(file);
  expect(() => loadConfig(file)).toThrow(new ConfigError(file, [{ line: 1, column: 1, path: "", sentence }]));
});

test("a folder in place of a file is refused with a sentence", () => {
  expect(() => loadConfig(folder)).toThrow(`${folder}:1:1: expected a file that can be read, got a folder`);
});
