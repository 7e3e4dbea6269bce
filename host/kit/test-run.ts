import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Command, type CommandEnd } from "../filter/command.ts";
import { SymbolReader } from "../filter/symbols.ts";
import { deepStacks } from "./deep-stacks.ts";
import { KitHost, LIMITS } from "./kit-host.ts";
import { STANDARD_TIME } from "./still-clock.ts";

/** What cargo's harness may be asked for, as far as it means something here. */
export interface TestRunOptions {
  /** Parts of names, or whole names; none: all tests. */
  readonly filters: readonly string[];
  readonly exact: boolean;
  readonly skip: readonly string[];
  readonly ignored: "left out" | "only" | "included";
  readonly list: boolean;
  readonly terse: boolean;
  /** What tests write is shown as it comes. */
  readonly nocapture: boolean;
  /** What tests write is shown, also of those that pass. */
  readonly showOutput: boolean;
  readonly environment: readonly (readonly [name: string, value: string])[];
}

/** Says what cargo's harness would. */
export type Say = (text: string) => void;

interface TestOutcome {
  readonly name: string;
  readonly verdict: "ok" | "FAILED" | "ignored";
  readonly output: string;
}

/** Runs the tests of a binary, each in an instance of its own, and says whether all have passed. */
export async function runTests(file: string, options: TestRunOptions, say: Say): Promise<boolean> {
  deepStacks();
  const host = new KitHost({
    name: "test",
    config: null,
    onFailure: "closed",
    grant: {},
    fuel: LIMITS_UNUSED,
    memoryBytesMax: LIMITS_UNUSED,
    clock: STANDARD_TIME,
    random: 1,
  });
  const command = await Command.load(file, await readFile(file), host, { ...LIMITS, fuel: LIMITS_UNUSED });
  const binary = new TestBinary(command, file, options);
  try {
    if (options.list) return binary.list(say);
    return await binary.runAll(say);
  } finally {
    await binary.close();
  }
}

/** A command is not metered. */
const LIMITS_UNUSED = 0;

class TestBinary {
  readonly #command: Command;
  readonly #file: string;
  readonly #options: TestRunOptions;
  readonly #symbols = new SymbolReader();

  constructor(command: Command, file: string, options: TestRunOptions) {
    this.#command = command;
    this.#file = file;
    this.#options = options;
  }

  /** The harness lists its tests itself. */
  list(say: Say): boolean {
    const format = this.#options.terse ? ["--format", "terse"] : [];
    const { end, output } = this.#run(["--list", ...format, ...this.#selection()]);
    say(output);
    return end.kind === "done";
  }

  async runAll(say: Say): Promise<boolean> {
    const began = performance.now();
    const chosen = this.#names(this.#selection());
    const all = this.#names([]);
    say(`\nrunning ${chosen.length} test${chosen.length === 1 ? "" : "s"}\n`);
    const outcomes: TestOutcome[] = [];
    for (const name of chosen) {
      const outcome = await this.#runOne(name);
      outcomes.push(outcome);
      if (this.#options.nocapture) say(`test ${name} ... ${outcome.output}${outcome.verdict}\n`);
      else if (this.#options.terse) say({ ok: ".", FAILED: "F", ignored: "i" }[outcome.verdict]);
      else say(`test ${name} ... ${outcome.verdict}\n`);
    }
    if (this.#options.terse && !this.#options.nocapture) say("\n");
    const failed = outcomes.filter(({ verdict }) => verdict === "FAILED");
    this.#sayOutputs(
      "successes",
      this.#options.showOutput ? outcomes.filter(({ verdict }) => verdict === "ok") : [],
      say,
    );
    this.#sayOutputs("failures", failed, say);
    const count = (verdict: TestOutcome["verdict"]): number =>
      outcomes.filter((one) => one.verdict === verdict).length;
    const seconds = ((performance.now() - began) / 1000).toFixed(2);
    say(
      `\ntest result: ${failed.length === 0 ? "ok" : "FAILED"}. ${count("ok")} passed; ${failed.length} failed; ` +
        `${count("ignored")} ignored; 0 measured; ${all.length - chosen.length} filtered out; finished in ${seconds}s\n\n`,
    );
    return failed.length === 0;
  }

  close(): Promise<void> {
    return this.#symbols.close();
  }

  #sayOutputs(title: string, outcomes: readonly TestOutcome[], say: Say): void {
    if (outcomes.length === 0) return;
    const said = this.#options.nocapture ? [] : outcomes.filter(({ output }) => output !== "");
    if (said.length > 0) say(`\n${title}:\n`);
    for (const { name, output } of said) say(`\n---- ${name} stdout ----\n${output.replace(/\n*$/, "\n")}`);
    say(`\n${title}:\n${outcomes.map(({ name }) => `    ${name}\n`).join("")}`);
  }

  /** In the order of the harness. Tests that are ignored are listed with the others. */
  #names(selection: readonly string[]): string[] {
    const { output } = this.#run(["--list", "--format", "terse", ...selection]);
    return Array.from(output.matchAll(/^(.+): test$/gm), ([, name = ""]) => name);
  }

  #selection(): string[] {
    const { filters, exact, skip, ignored } = this.#options;
    return [
      ...filters,
      ...(exact ? ["--exact"] : []),
      ...skip.flatMap((name) => ["--skip", name]),
      ...(ignored === "only" ? ["--ignored"] : []),
    ];
  }

  async #runOne(name: string): Promise<TestOutcome> {
    const ignored = this.#options.ignored === "left out" ? [] : ["--include-ignored"];
    // Without unwinding a panic ends the harness, and with it what it has captured: the output is caught here.
    const args = [name, "--exact", "--nocapture", "--test-threads=1", ...ignored];
    const { end, output } = this.#run(args);
    if (end.kind === "done")
      return {
        name,
        verdict: / 1 ignored;/.test(output) ? "ignored" : "ok",
        output: withoutHarness(output, name),
      };
    const said = withoutHarness(output, name).replace(/\n*$/, "\n");
    if (end.kind !== "trapped") return { name, verdict: "FAILED", output: said };
    const stack = await this.#stack(end);
    return { name, verdict: "FAILED", output: `${said}${stack}` };
  }

  /** Where it trapped, without the harness around it. */
  async #stack({ detail, frames }: Extract<CommandEnd, { kind: "trapped" }>): Promise<string> {
    const line = await this.#symbols.complete("{}", { artifact: this.#command, file: this.#file }, frames);
    const { stack } = JSON.parse(line) as { stack: string[] };
    const harness = stack.findIndex((place) => HARNESS.test(place));
    const own = harness < 0 ? stack : stack.slice(0, harness);
    return [`trapped: ${detail}`, ...own.map((place) => `    at ${place}`), ""].join("\n");
  }

  #run(args: readonly string[]): { readonly end: CommandEnd; readonly output: string } {
    const decoder = new TextDecoder();
    let output = "";
    const take = (bytes: Uint8Array): void => {
      output += decoder.decode(bytes, { stream: true });
    };
    const end = this.#command.run({
      args: [basename(this.#file), ...args],
      environment: this.#options.environment,
      stdout: take,
      stderr: take,
    });
    return { end, output };
  }
}

const HARNESS = /^(<.* as )?(core::ops::function::FnOnce|test::|std::rt::|alloc::boxed::)/;

/** What a test has written, without the lines of a harness that runs this one test. */
function withoutHarness(output: string, name: string): string {
  return (
    output
      .replace(/^\nrunning 1 test\n/, "")
      .replace(new RegExp(`test ${RegExp.escape(name)}( - should panic)? \\.\\.\\. `), "")
      // There is no backtrace within: the stack that the engine has is told below it.
      .replaceAll(/^(stack backtrace:|note: (run with `RUST_BACKTRACE|Some details are omitted).*)\n/gm, "")
      .replace(
        /(^|\n)?(ok|FAILED|ignored(, .*)?)\n(\n(successes|failures):\n[\s\S]*)?\ntest result: [^\n]*\n\n$/,
        "$1",
      )
  );
}
