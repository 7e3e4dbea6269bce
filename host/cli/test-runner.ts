import { ArtifactRefused } from "../filter/contract.ts";
import { TestBinary, type TestRunOptions } from "../kit/test-run.ts";
import { printable } from "./complaint.ts";
import { DONE, FAILED } from "./exit-code.ts";

/** What cargo's harness exits with when a test has failed. */
const TESTS_FAILED = 101;

/** Runs a test binary for `wasm32-wasip2`, for cargo: `runner = "sluice test-runner"`. */
export async function testRunner(binary: string, words: readonly string[]): Promise<number> {
  const options = optionsOf(words);
  if (typeof options === "string") return refuse(options);
  try {
    const environment = Object.entries(process.env).map(([name, value]) => [name, value ?? ""] as const);
    const tests = await TestBinary.load(binary, environment);
    const passed = await tests.run(options, (text) => process.stdout.write(text));
    await tests.close();
    return passed ? DONE : TESTS_FAILED;
  } catch (error) {
    if (error instanceof ArtifactRefused || (error as NodeJS.ErrnoException).code === "ENOENT")
      return refuse((error as Error).message);
    throw error;
  }
}

/** The options of Rust's harness; a sentence for one that means nothing here. */
function optionsOf(words: readonly string[]): TestRunOptions | string {
  const filters: string[] = [];
  const skip: string[] = [];
  const flags = new Set<string>();
  let format = "pretty";
  for (let at = 0; at < words.length; at++) {
    const [word = "", attached] = (words[at] as string).split(/=(.*)/s);
    const value = (): string => attached ?? words[(at += 1)] ?? "";
    if (!word.startsWith("-")) filters.push(words[at] as string);
    else if (word === "--skip") skip.push(value());
    else if (word === "--format") format = value();
    else if (TAKEN.has(word)) value();
    else if (FLAGS.has(word)) flags.add(word);
    else return `${word} is no option of the test runner`;
  }
  if (format !== "pretty" && format !== "terse") return `--format takes pretty or terse, and not ${format}`;
  return {
    filters,
    skip,
    exact: flags.has("--exact"),
    ignored: flags.has("--include-ignored") ? "included" : flags.has("--ignored") ? "only" : "left out",
    list: flags.has("--list"),
    terse: format === "terse" || flags.has("-q") || flags.has("--quiet"),
    nocapture: flags.has("--nocapture") || flags.has("--no-capture"),
    showOutput: flags.has("--show-output"),
  };
}

const FLAGS: ReadonlySet<string> = new Set([
  "--exact",
  "--ignored",
  "--include-ignored",
  "--list",
  "--no-capture",
  "--nocapture",
  "--quiet",
  "--show-output",
  "-q",
]);

/** Taken and left aside: an instance has one thread, and nothing is coloured. */
const TAKEN: ReadonlySet<string> = new Set(["--color", "--test-threads"]);

function refuse(sentence: string): number {
  process.stderr.write(`sluice: ${printable(sentence)}\n`);
  return FAILED;
}
