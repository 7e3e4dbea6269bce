import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { MINIMAL, parse } from "../config/file.ts";
import { sluice } from "./command.ts";

const HERE = { cwd: import.meta.dirname };

test("token prints a token, and the line by which a configuration knows it", async () => {
  const { code, stdout } = await sluice(["token", "ops", "--role", "swap"], HERE);

  expect(code).toBe(0);
  const token = /^ {2}(slc_[\w-]{43})$/m.exec(stdout)?.[1] ?? "";
  const line = /^ {2}(- \{.*\})$/m.exec(stdout)?.[1] ?? "";
  expect(
    parse(`${MINIMAL}admin: { address: 127.0.0.1:1, tokens: [${line.slice(2)}] }`).admin?.tokens,
  ).toEqual([{ name: "ops", role: "swap", sha256: createHash("sha256").update(token).digest("hex") }]);
});

test("--json is the same for scripts, and a token may do little unless it is said", async () => {
  const { stdout } = await sluice(["token", "--json"], HERE);

  const made = JSON.parse(stdout) as { token: string; sha256: string };
  expect(made).toMatchObject({ name: "operator", role: "read" });
  expect(made.sha256).toBe(createHash("sha256").update(made.token).digest("hex"));
});

test.each([
  [["token", "Ops"], /^sluice: "Ops" is no name for a token: it is a name of at most 63 /],
  [["token", "ops", "--role", "root"], /^sluice: option '--role <role>' argument 'root' is invalid/],
])("%j is refused with a sentence", async (words, sentence) => {
  const { code, stdout, stderr } = await sluice(words, HERE);

  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(sentence);
});
