import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Refusal } from "../../host/control/control.ts";
import { Desk, OLD_DIGEST } from "../control/desk.ts";
import { type Outcome, sluice } from "./command.ts";

let desk: Desk;
let address: string;

beforeEach(async () => {
  desk = new Desk();
  address = (await desk.start()).address;
});

afterEach(() => desk.close());

function swap(...words: string[]): Promise<Outcome> {
  return sluice(["swap", ...words, "--admin", address], { cwd: desk.folder });
}

test("a swap says what changed, and names the file from the folder that it was typed in", async () => {
  const { path, digest } = desk.newComponent();

  const outcome = await swap("keys", "new.wasm");

  expect(outcome).toEqual({
    code: 0,
    stdout: `keys: 000000000000 → ${digest.slice(0, 12)}, generation 2, 41 ms\n`,
    stderr: "",
  });
  expect(desk.control.status().filters[0]?.component).toBe(path);
});

test("a swap returns when the new artifact serves, and not before", async () => {
  desk.newComponent();
  const entered = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  desk.control.gate = () => {
    entered.resolve();
    return gate.promise;
  };
  let returned = false;

  const outcome = swap("keys", "new.wasm").finally(() => {
    returned = true;
  });
  await entered.promise;
  // A whole other command, from its start to its end, while the swap waits.
  await sluice(["status", "--admin", address], { cwd: desk.folder });
  expect(returned, "it did not wait").toBe(false);
  gate.resolve();

  expect((await outcome).code).toBe(0);
});

test("a config goes along, null is one, and without it the config stays", async () => {
  const { digest } = desk.newComponent();

  await swap("keys", "new.wasm");
  expect(desk.control.configs.has("keys")).toBe(false);
  const { stdout } = await swap("keys", "new.wasm", "--config", '{"header":"x-key"}');
  expect(stdout).toBe(`keys: ${digest.slice(0, 12)} with a new config, generation 3, 41 ms\n`);
  expect(desk.control.configs.get("keys")).toEqual({ header: "x-key" });
  await swap("keys", "new.wasm", "--config", "null");

  expect(desk.control.configs.get("keys")).toBe(null);
});

test("a swap for the same artifact says that nothing changed", async () => {
  const { digest } = desk.newComponent();
  await swap("keys", "new.wasm");

  expect((await swap("keys", "new.wasm")).stdout).toBe(
    `keys: ${digest.slice(0, 12)} as before, generation 3, 41 ms\n`,
  );
});

test("--json gives the whole result", async () => {
  const { digest } = desk.newComponent();

  const { stdout } = await swap("keys", "new.wasm", "--json", "--sha256", digest.toUpperCase());

  expect(JSON.parse(stdout)).toEqual({
    generation: 2,
    filter: "keys",
    from: OLD_DIGEST,
    to: digest,
    configChanged: false,
    durationMs: 41.4,
    changes: [`filter keys: ${OLD_DIGEST} → ${digest}`],
  });
});

test("a refusal is a sentence on standard error, code 1, and nothing on standard output", async () => {
  desk.control.failure = new Refusal(
    "CONFIGURE_REFUSED",
    "The filter keys refuses its config: header is missing.",
  );

  expect(await swap("keys", "new.wasm")).toEqual({
    code: 1,
    stdout: "",
    stderr: "sluice: The filter keys refuses its config: header is missing.\n",
  });
});

test("a refusal under --json is data, too", async () => {
  desk.control.failure = new Refusal("ARTIFACT_REFUSED", "new.wasm imports wasi:sockets/tcp.");

  const { code, stdout, stderr } = await swap("keys", "new.wasm", "--json");

  expect(code).toBe(1);
  expect(stderr).toBe("sluice: new.wasm imports wasi:sockets/tcp.\n");
  expect(JSON.parse(stdout)).toEqual({
    code: "ARTIFACT_REFUSED",
    detail: "new.wasm imports wasi:sockets/tcp.",
  });
});

test("a filter that does not exist, a file that does not, and another digest are refused by the host", async () => {
  const { digest } = desk.newComponent();

  expect((await swap("kyes", "new.wasm")).stderr).toBe("sluice: There is no filter named kyes.\n");
  expect((await swap("keys", "none.wasm")).stderr).toBe(
    `sluice: ${join(desk.folder, "none.wasm")} cannot be read.\n`,
  );
  expect((await swap("keys", "new.wasm", "--sha256", OLD_DIGEST)).stderr).toContain(
    `has the digest ${digest}`,
  );
  expect(desk.control.generation).toBe(1);
});

test.each([
  [["--config", "{"], /^sluice: --config is no JSON: .*\n$/],
  [["--sha256", "12ab"], /^sluice: --sha256 takes the 64 hex digits of a SHA-256\.\n$/],
])("%j is refused before the host is asked", async (words, sentence) => {
  desk.newComponent();

  const { code, stderr } = await swap("keys", "new.wasm", ...words);

  expect(stderr).toMatch(sentence);
  expect(code).toBe(1);
  expect(desk.control.generation).toBe(1);
});
