import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Command, type CommandEnd } from "../filter/command.ts";
import type { Environment } from "../filter/contract.ts";
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
  /** What a test writes is shown when it has ended, whether it passes or not. */
  readonly nocapture: boolean;
  /** What tests write is shown, also of those that pass. */
  readonly showOutput: boolean;
}

/** Says what cargo's harness would. */
export type Say = (text: string) => void;

interface TestOutcome {
  readonly name: string;
  readonly verdict: "ok" | "FAILED" | "ignored";
  readonly output: string;
}

/** A test binary of cargo: its tests are run by its own harness, each in an instance of its own. */
export class TestBinary {
  readonly #command: Command;
  readonly #file: string;
  readonly #environment: Environment;
  readonly #symbols = new SymbolReader();

  private constructor(command: Command, file: string, environment: Environment) {
    this.#command = command;
    this.#file = file;
    this.#environment = environment;
  }

  /** Rejects with an `ArtifactRefused` when the file is no component that can be run. */
  static async load(file: string, environment: Environment): Promise<TestBinary> {
    deepStacks();
    const host = new KitHost({
      name: "test",
      config: null,
      onFailure: "closed",
      grant: {},
      fuel: NOT_METERED,
      memoryBytesMax: NOT_METERED,
      clock: STANDARD_TIME,
      random: 1,
    });
    const command = await Command.load(file, await readFile(file), host, { ...LIMITS, fuel: NOT_METERED });
    return new TestBinary(command, file, environment);
  }

  /** Says what cargo's harness would; gives whether all tests have passed. */
  async run(options: TestRunOptions, say: Say): Promise<boolean> {
    return options.list ? this.#list(options, say) : await this.#runAll(options, say);
  }

  close(): Promise<void> {
    return this.#symbols.close();
  }

  /** The harness lists its tests itself. */
  #list(options: TestRunOptions, say: Say): boolean {
    const format = options.terse ? ["--format", "terse"] : [];
    const { end, output } = this.#run(["--list", ...format, ...selection(options)]);
    say(output);
    return end.kind === "done";
  }

  async #runAll(options: TestRunOptions, say: Say): Promise<boolean> {
    const began = performance.now();
    const chosen = this.#names(selection(options));
    const all = this.#names([]);
    say(`\nrunning ${chosen.length} test${chosen.length === 1 ? "" : "s"}\n`);
    const outcomes: TestOutcome[] = [];
    for (const name of chosen) {
      const outcome = await this.#runOne(name, options);
      outcomes.push(outcome);
      if (options.nocapture) say(`test ${name} ... ${outcome.output}${outcome.verdict}\n`);
      else if (options.terse) say({ ok: ".", FAILED: "F", ignored: "i" }[outcome.verdict]);
      else say(`test ${name} ... ${outcome.verdict}\n`);
    }
    if (options.terse && !options.nocapture) say("\n");
    const failed = outcomes.filter(({ verdict }) => verdict === "FAILED");
    const passed = options.showOutput ? outcomes.filter(({ verdict }) => verdict === "ok") : [];
    sayOutputs("successes", passed, options.nocapture, say);
    sayOutputs("failures", failed, options.nocapture, say);
    const count = (verdict: TestOutcome["verdict"]): number =>
      outcomes.filter((one) => one.verdict === verdict).length;
    const seconds = ((performance.now() - began) / 1000).toFixed(2);
    say(
      `\ntest result: ${failed.length === 0 ? "ok" : "FAILED"}. ${count("ok")} passed; ${failed.length} failed; ` +
        `${count("ignored")} ignored; 0 measured; ${all.length - chosen.length} filtered out; finished in ${seconds}s\n\n`,
    );
    return failed.length === 0;
  }

  /** In the order of the harness. Tests that are ignored are listed with the others. */
  #names(words: readonly string[]): string[] {
    const { output } = this.#run(["--list", "--format", "terse", ...words]);
    return Array.from(output.matchAll(/^(.+): test$/gm), ([, name = ""]) => name);
  }

  async #runOne(name: string, options: TestRunOptions): Promise<TestOutcome> {
    const ignored = options.ignored === "left out" ? [] : ["--include-ignored"];
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
      environment: this.#environment,
      stdout: take,
      stderr: take,
    });
    return { end, output };
  }
}

/** What was shown already is not shown again. */
function sayOutputs(title: string, outcomes: readonly TestOutcome[], nocapture: boolean, say: Say): void {
  if (outcomes.length === 0) return;
  const said = nocapture ? [] : outcomes.filter(({ output }) => output !== "");
  if (said.length > 0) say(`\n${title}:\n`);
  for (const { name, output } of said) say(`\n---- ${name} stdout ----\n${output.replace(/\n*$/, "\n")}`);
  say(`\n${title}:\n${outcomes.map(({ name }) => `    ${name}\n`).join("")}`);
}

/** What of the tests is chosen, as the harness takes it. */
function selection({ filters, exact, skip, ignored }: TestRunOptions): string[] {
  return [
    ...filters,
    ...(exact ? ["--exact"] : []),
    ...skip.flatMap((name) => ["--skip", name]),
    ...(ignored === "only" ? ["--ignored"] : []),
  ];
}

/** A command has no limits. */
const NOT_METERED = 0;

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
