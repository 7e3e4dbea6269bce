/** `sluice test-runner`, as cargo calls it: a crate without dependencies, built once. */
import { execFileSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestBinary, type TestRunOptions } from "../../host/kit/test-run.ts";
import { sluice } from "../cli/command.ts";

const CRATE = mkdtempSync(join(tmpdir(), "sluice-runner-"));
const MAIN = join(import.meta.dirname, "..", "..", "host", "cli", "main.ts");
let fromCargo = { code: 0, stdout: "" };
let tests: TestBinary | undefined;

beforeAll(async () => {
  mkdirSync(join(CRATE, "src"));
  mkdirSync(join(CRATE, ".cargo"));
  writeFileSync(
    join(CRATE, "Cargo.toml"),
    '[package]\nname = "tried"\nversion = "1.0.0"\nedition = "2024"\n\n[workspace]\n',
  );
  writeFileSync(join(CRATE, "src", "lib.rs"), LIBRARY);
  writeFileSync(
    join(CRATE, ".cargo", "config.toml"),
    `[target.wasm32-wasip2]\nrunner = [${JSON.stringify(process.execPath)}, ${JSON.stringify(MAIN)}, "test-runner"]\n`,
  );
  const args = ["test", "--offline", "--quiet", "--lib", "--target", "wasm32-wasip2"];
  const env = { ...process.env, CARGO_TARGET_DIR: join(CRATE, "target"), RUST_BACKTRACE: "0" };
  try {
    execFileSync("cargo", args, { cwd: CRATE, encoding: "utf8", env, stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { status, stdout } = error as { status: number; stdout: string };
    fromCargo = { code: status, stdout };
  }
  const [binary = ""] = globSync(join(CRATE, "target", "wasm32-wasip2", "debug", "deps", "tried-*.wasm"));
  tests = await TestBinary.load(binary, [["TRIED", "yes"]]);
}, 60_000);
afterAll(async () => {
  await tests?.close();
  rmSync(CRATE, { recursive: true, force: true });
});

/** What stands in the text must not be taken for a test of these that is left out. */
const IGNORE = "ignore";

const LIBRARY = `//! What tests do.
#[cfg(test)]
mod tests {
    #[test]
    fn adds() { println!("it adds"); assert_eq!(1 + 1, 2); }
    #[test]
    fn fails() { println!("before"); assert_eq!(1 + 1, 3, "one and one"); }
    #[test]
    fn gives_an_error() -> Result<(), String> { Err("an error".to_owned()) }
    #[test]
    #[${IGNORE} = "it is slow"]
    fn slow() { std::thread::sleep(std::time::Duration::from_millis(20)); }
    #[test]
    #[should_panic]
    fn panics() { panic!("as it should") }
    #[test]
    fn uses_std() {
        let began = std::time::Instant::now();
        std::thread::sleep(std::time::Duration::from_millis(10));
        assert!(began.elapsed().as_millis() >= 10);
        let set: std::collections::HashSet<u8> = [1, 1, 2].into_iter().collect();
        assert_eq!(set.len(), 2);
        assert!(std::fs::read("/etc/hostname").is_err());
        assert_eq!(std::env::var("TRIED").as_deref(), Ok("yes"));
    }
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    #[test]
    fn alone_1() { assert_eq!(COUNT.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0); }
    #[test]
    fn alone_2() { assert_eq!(COUNT.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0); }
}
`;

async function run(chosen: Partial<TestRunOptions> = {}): Promise<{ passed: boolean; said: string }> {
  let said = "";
  const passed = await (tests as TestBinary).run({ ...ALL, ...chosen }, (text) => (said += text));
  return { passed, said };
}

const ALL: TestRunOptions = {
  filters: [],
  exact: false,
  skip: [],
  ignored: "left out",
  list: false,
  terse: false,
  nocapture: false,
  showOutput: false,
};

test("cargo runs it, and ends as it does", () => {
  expect(fromCargo.stdout).toContain("running 8 tests");
  expect(fromCargo.stdout).toMatch(/test result: FAILED\. \d passed; \d failed; 2 ignored;/);
  expect(fromCargo.code, "cargo's own code for tests that have failed").toBe(101);
});

test("each test is run, what a failed one has written is told, and where it failed", async () => {
  const { passed, said } = await run();
  expect(passed).toBe(false);
  expect(said).toContain("\nrunning 8 tests\n");
  expect(said).toContain("test tests::adds ... ok\n");
  expect(said).toContain("test tests::uses_std ... ok\n");
  expect(said).toContain("test tests::fails ... FAILED\n");
  expect(said).toContain("test tests::slow ... ignored\n");
  expect(said, "what one test counts no other one sees").toMatch(
    /tests::alone_1 \.\.\. ok\n.*tests::alone_2 \.\.\. ok\n/s,
  );
  expect(said).toMatch(
    /---- tests::fails stdout ----\nbefore\n[\s\S]*src\/lib\.rs:7:\d+:\n[\s\S]*one and one/,
  );
  expect(said).toMatch(/ {4}at tried::tests::fails at \S*src\/lib\.rs:7:\d+\n/);
  expect(said).toContain('---- tests::gives_an_error stdout ----\nError: "an error"\n');
  expect(said).not.toContain("it adds");
  expect(said).toMatch(/FAILED\. 4 passed; 2 failed; 2 ignored; 0 measured; 0 filtered out; finished in \d/);
});

test("parts of names, whole names and names to skip choose", async () => {
  const some = await run({ filters: ["alone"], skip: ["alone_2"] });
  expect(some.passed).toBe(true);
  expect(some.said).toContain("1 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out");
  expect((await run({ filters: ["tests::add"], exact: true })).said).toContain("running 0 tests");
});

test("ignored tests can be run, output can be shown, and lines can be few", async () => {
  const { passed, said } = await run({ filters: ["slow", "adds"], ignored: "included", nocapture: true });
  expect(passed).toBe(true);
  expect(said).toContain("test tests::slow ... ok");
  expect(said).toContain("test tests::adds ... it adds\nok\n");
  expect((await run({ filters: ["adds"], showOutput: true })).said).toContain(
    "---- tests::adds stdout ----\nit adds\n",
  );
  expect((await run({ ignored: "only", filters: ["slow"], terse: true })).said).toContain(
    "running 1 test\n.\n",
  );
});

test("tests are listed as the harness lists them", async () => {
  const { passed, said } = await run({ list: true, terse: true, filters: ["alone"] });
  expect([passed, said]).toEqual([true, "tests::alone_1: test\ntests::alone_2: test\n"]);
});

test("what is no option, and what is no component, is refused with a sentence", async () => {
  const none = await sluice(["test-runner", join(CRATE, "Cargo.toml"), "--bench"], { cwd: CRATE });
  expect([none.code, none.stderr]).toEqual([1, "sluice: --bench is no option of the test runner\n"]);
  await expect(TestBinary.load(join(CRATE, "Cargo.toml"), [])).rejects.toThrow(/cannot be transpiled/);
});
