import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CHANGE, Refused, ScriptedHost } from "./scripted-host.ts";

let host: ScriptedHost;

beforeEach(async () => {
  host = await ScriptedHost.start();
});

afterEach(() => host[Symbol.asyncDispose]());

const SAID = "generation 5, 1 change, 41 ms\n  filters.keys.component has changed\n";

test.each([
  [["reload"], "POST /v1/config/apply", {}],
  [["promote", "keys"], "POST /v1/filters/keys/promote", {}],
  [["promote", "a/b c"], "POST /v1/filters/a%2Fb%20c/promote", {}],
  [["rollback"], "POST /v1/rollback", {}],
  [["rollback", "3"], "POST /v1/rollback", { generation: 3 }],
  [["rollback", "--trial", "keys"], "POST /v1/filters/keys/rollback", {}],
  [["drain", "echo", "http://a:1"], "POST /v1/upstreams/echo/drain", { server: "http://a:1" }],
  [["drain", "echo", "http://a:1", "--undo"], "POST /v1/upstreams/echo/undrain", { server: "http://a:1" }],
  [
    ["weight", "echo", "http://a:1", "7"],
    "POST /v1/upstreams/echo/weight",
    { server: "http://a:1", weight: 7 },
  ],
])("%j asks %s, and says what has changed", async (words, what, body) => {
  host.answer(what, CHANGE);

  const outcome = await host.run(...words);

  expect(outcome).toEqual({ code: 0, stdout: SAID, stderr: "" });
  expect(host.asked).toEqual({ what, body, ifMatch: undefined, authorization: undefined });
  expect(JSON.parse((await host.run(...words, "--json")).stdout)).toEqual(CHANGE);
});

test("--if-generation is a condition that the host holds", async () => {
  host.answer("POST /v1/rollback", ({ ifMatch }) =>
    ifMatch === '"4"'
      ? CHANGE
      : new Refused(412, "GENERATION_CHANGED", "Generation 4 is live, not the one that you mean."),
  );

  expect((await host.run("rollback", "--if-generation", "4")).code).toBe(0);
  expect(await host.run("rollback", "--if-generation", "3")).toEqual({
    code: 1,
    stdout: "",
    stderr: "sluice: Generation 4 is live, not the one that you mean.\n",
  });
});

test("a change that changes nothing says so", async () => {
  host.answer("POST /v1/config/apply", { ...CHANGE, generation: 4, changes: [] });

  expect((await host.run("reload")).stdout).toBe("nothing has changed: generation 4\n");
});

describe("a configuration that is refused", () => {
  const problems = [
    {
      line: 3,
      column: 5,
      path: "routes[0].upstream",
      sentence: "expected a name of upstreams, got a\u001B[2Jb",
    },
    { line: 9, column: 1, path: "", sentence: "expected a map, got 7" },
  ];

  beforeEach(() => {
    host.answer(
      "POST /v1/config/apply",
      new Refused(422, "CONFIG_REFUSED", "The configuration is wrong.", problems),
    );
  });

  test("is a line for each problem, with its place in the host's file, and code 1", async () => {
    expect(await host.run("reload")).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "/etc/sluice/sluice.yaml:3:5 routes[0].upstream: expected a name of upstreams, got a\u{FFFD}[2Jb\n" +
        "/etc/sluice/sluice.yaml:9:1: expected a map, got 7\n",
    });
  });

  test("is one document under --json", async () => {
    const { code, stdout } = await host.run("reload", "--json");

    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      code: "CONFIG_REFUSED",
      detail: "The configuration is wrong.",
      problems,
    });
  });
});

test("a failure without a code is one document under --json, too", async () => {
  const { code, stdout, stderr } = await host.run("promote", "keys", "--json");

  expect(code).toBe(1);
  expect(stderr).toMatch(/^sluice: What answers at .* is not the admin API of Sluice: /);
  expect(JSON.parse(stdout)).toEqual({ code: null, detail: stderr.slice("sluice: ".length, -1) });
});

describe("the token", () => {
  beforeEach(() => host.answer("POST /v1/rollback", CHANGE));

  test("comes from a file, which counts before the environment", async () => {
    writeFileSync(join(host.folder, "token"), "sluice_one\n");

    await host.runWith({ SLUICE_TOKEN: "sluice_two" }, "rollback", "--token-file", "token");

    expect(host.asked?.authorization).toBe("Bearer sluice_one");
  });

  test("comes from the environment", async () => {
    await host.runWith({ SLUICE_TOKEN: "sluice_two" }, "rollback");
    expect(host.asked?.authorization).toBe("Bearer sluice_two");

    await host.runWith({ SLUICE_TOKEN: "" }, "rollback");
    expect(host.asked?.authorization).toBeUndefined();
  });

  test("is no option of the command line", async () => {
    const { code, stderr } = await host.run("rollback", "--token", "sluice_two");

    expect(code).toBe(1);
    expect(stderr).toMatch(/^sluice: unknown option '--token'/);
  });

  test("that is none is refused before the host is asked, and is in no sentence", async () => {
    writeFileSync(join(host.folder, "token"), "one two");
    const outcome = await host.run("rollback", "--token-file", "token");
    expect(outcome.stderr).toBe("sluice: The token file token does not hold a token, which is one word.\n");
    expect((await host.run("rollback", "--token-file", "none")).stderr).toBe(
      "sluice: The token file none cannot be read: ENOENT.\n",
    );
    expect(host.asked).toBeUndefined();
  });

  test("that the host refuses is its sentence", async () => {
    host.answer("POST /v1/rollback", new Refused(403, "TOKEN_REFUSED", "The token ci may only read."));

    expect((await host.run("rollback")).stderr).toBe("sluice: The token ci may only read.\n");
  });
});

test("the level of the log is shown, and set", async () => {
  host.answer("GET /v1/log-level", { level: "info" });
  host.answer("POST /v1/log-level", ({ body }) => body as object);

  expect((await host.run("log-level")).stdout).toBe("info\n");
  expect((await host.run("log-level", "debug")).stdout).toBe("debug\n");
  expect(host.asked).toMatchObject({ what: "POST /v1/log-level", body: { level: "debug" } });
});
