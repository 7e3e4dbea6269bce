import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Differences } from "../../host/control/control.ts";
import { Refused, ScriptedHost } from "./scripted-host.ts";

let host: ScriptedHost;

beforeEach(async () => {
  host = await ScriptedHost.start();
});

afterEach(() => host[Symbol.asyncDispose]());

const SAME: Differences = { generation: 4, differences: [], refusals: [] };
const OTHER: Differences = {
  generation: 4,
  differences: [
    { path: "filters.keys.config", kind: "changed", from: { header: "x-key" }, to: "[redacted]" },
    { path: "routes[2]", kind: "added", to: { upstream: "echo" } },
    { path: "upstreams.old\u001B[2J", kind: "removed", from: null },
  ],
  refusals: ["The filter keys imports sluice:filter/http-client, which nothing grants."],
};

test("what does not differ is one sentence and code 0", async () => {
  host.answer("POST /v1/config/diff", SAME);

  expect(await host.run("diff")).toEqual({
    code: 0,
    stdout: "no difference from generation 4\n",
    stderr: "",
  });
  expect(host.asked?.body, "the host reads its own file").toEqual({});
});

test("what differs is code 2 and a line each, after what would be refused", async () => {
  host.answer("POST /v1/config/diff", OTHER);

  const { code, stdout } = await host.run("diff");

  expect(code).toBe(2);
  expect(stdout.split("\n")).toEqual([
    "refused: The filter keys imports sluice:filter/http-client, which nothing grants.",
    '~ filters.keys.config: {"header":"x-key"} → "[redacted]"',
    '+ routes[2]: {"upstream":"echo"}',
    "- upstreams.old\u{FFFD}[2J: null",
    "",
  ]);
  const told = await host.run("diff", "--json");
  expect(told.code).toBe(2);
  expect(JSON.parse(told.stdout)).toEqual(OTHER);
});

test("a refusal alone is a difference, too: the file is not what runs after all", async () => {
  host.answer("POST /v1/config/diff", { ...SAME, refusals: ["No."] });

  expect(await host.run("diff")).toMatchObject({ code: 2, stdout: "refused: No.\n" });
});

test("the file of -c is read here, and its problems are in it", async () => {
  writeFileSync(join(host.folder, "next.yaml"), "listen: [8080]\n");
  host.answer("POST /v1/config/diff", ({ body }) =>
    body !== null && typeof body === "object" && "text" in body && body.text === "listen: [8080]\n"
      ? new Refused(422, "CONFIG_REFUSED", "It is wrong.", [
          { line: 1, column: 10, path: "listen[0]", sentence: "expected an address, got 8080" },
        ])
      : SAME,
  );

  expect(await host.run("diff", "-c", "next.yaml")).toEqual({
    code: 1,
    stdout: "",
    stderr: "next.yaml:1:10 listen[0]: expected an address, got 8080\n",
  });
  expect((await host.run("diff", "-c", "none.yaml")).stderr).toBe(
    "sluice: none.yaml cannot be read: ENOENT.\n",
  );
});

test("with a filter's name it is about a swap", async () => {
  host.answer("POST /v1/filters/keys/diff", OTHER);

  const { code } = await host.run("diff", "keys", "next.wasm", "--config", "null");

  expect(code).toBe(2);
  expect(host.asked).toMatchObject({
    what: "POST /v1/filters/keys/diff",
    body: { component: join(host.folder, "next.wasm"), config: null },
  });
  await host.run("diff", "keys");
  expect(host.asked, "the present component is not read again").toMatchObject({ body: {} });
  expect((await host.run("diff", "--sha256", "00")).stderr).toBe(
    "sluice: --config and --sha256 are for a swap: sluice diff FILTER FILE.\n",
  );
});
