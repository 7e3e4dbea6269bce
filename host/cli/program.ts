import { readFileSync } from "node:fs";
import { Command, CommanderError, Option } from "commander";
import type { BenchOptions } from "./bench.ts";
import { complain } from "./complaint.ts";
import { DONE, FAILED } from "./exit-code.ts";
import type { TestOptions } from "./test.ts";

/** Reads the command line, does what it says and gives the exit code. Never throws. */
export async function main(args: readonly string[]): Promise<number> {
  // `sluice status | head` closes the pipe early, which is no reason for a stack trace.
  process.stdout.on("error", () => undefined);
  let code = DONE;
  const program = buildProgram((result) => {
    code = result;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    // Commander has said what it had to say; for --help and --version its code is 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : FAILED;
    complain(error);
    return FAILED;
  }
}

/** The commands. What each needs is loaded when it is called: `status` should not wait for the proxy's code. */
function buildProgram(end: (code: number) => void): Command {
  const program = new Command("sluice")
    .description("A reverse proxy whose request and response filters are WASI components")
    .version(readVersion())
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, "sluice:")) })
    .enablePositionalOptions()
    .exitOverride();

  program
    .command("run")
    .description(
      "starts the proxy; SIGTERM or SIGINT drains it, a second one ends it at once; SIGUSR2 upgrades it in place",
    )
    .addOption(configFile().default("sluice.yaml"))
    .action(async (options: { c: string }) => {
      const { run } = await import("./run.ts");
      end(await run(options.c));
    });

  program
    .command("check")
    .description("reads the configuration and prints everything that is wrong with it")
    .addOption(configFile().default("sluice.yaml"))
    .option("--json", "prints the problems as JSON")
    .action(async (options: { c: string; json?: true }) => {
      const { check } = await import("./check.ts");
      end(await check(options.c, options));
    });

  program
    .command("status")
    .description("shows what a running host serves")
    .addOption(configFile())
    .addOption(adminAddress())
    .option("--json", "prints the status as JSON")
    .action(async (options: { c?: string; admin?: string; json?: true }) => {
      const { status } = await import("./status.ts");
      end(await status(options));
    });

  program
    .command("swap")
    .description("puts another component in the place of a filter's present one, and returns when it serves")
    .argument("<name>", "the filter's name in the configuration")
    .argument("<file>", "the new component")
    .option("--config <json>", "replaces the filter's config, too")
    .option("--sha256 <hex>", "the digest that the file must have")
    .addOption(configFile())
    .addOption(adminAddress())
    .option("--json", "prints the result as JSON")
    .action(async (name: string, file: string, options: SwapOptions) => {
      const { swap } = await import("./swap.ts");
      end(await swap(name, file, options));
    });

  filterKit(program, end);
  return program;
}

/** What authors of filters type. */
function filterKit(program: Command, end: (code: number) => void): void {
  program
    .command("test")
    .description("runs the cases of a filter, each also in all the ways that must make no difference")
    .argument("[target]", "a component, or the folder of its crate", ".")
    .option("--cases <path>", "a folder with cases, or one file of them; otherwise cases/")
    .option("--filter <text>", "only cases whose names have this text")
    .option("--update", "writes the snapshots that cases ask for")
    .option("--watch", "runs again whenever a case or the component has changed")
    .option("--junit <file>", "writes the results as JUnit's XML, too")
    .option("--json", "prints the results as JSON")
    .option("--no-invariance", "runs each case once, as it is written")
    .addOption(compiledFilters())
    .action(async (target: string, options: TestOptions) => {
      const { test } = await import("./test.ts");
      end(await test(target, options));
    });

  program
    .command("test-runner")
    .description("runs a test binary for wasm32-wasip2, for cargo: each test in an instance of its own")
    .argument("<binary>", "what cargo test has built")
    .argument(
      "[words...]",
      "what cargo test was given behind --: parts of names, and options of Rust's harness",
    )
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .action(async (binary: string, words: readonly string[]) => {
      const { testRunner } = await import("./test-runner.ts");
      end(await testRunner(binary, words));
    });

  program
    .command("bench")
    .description("measures what the cases of a filter cost: time, fuel and memory of each phase")
    .argument("[target]", "a component, or the folder of its crate", ".")
    .option("--cases <path>", "a folder with cases, or one file of them; otherwise cases/")
    .option("--filter <text>", "only cases whose names have this text")
    .option("--against <file>", "an earlier component, measured in turn with this one")
    .option("--budget <share>", "how much more it may cost, like 10%; past that the exit code is 2")
    .option("--time <ms>", "how long each case is run, in milliseconds", "1000")
    .option("--profile <file>", "writes a .cpuprofile with the functions of the sources")
    .option("--json", "prints the numbers as JSON")
    .addOption(compiledFilters())
    .action(async (target: string, options: BenchOptions) => {
      const { bench } = await import("./bench.ts");
      end(await bench(target, options));
    });
}

interface SwapOptions {
  readonly c?: string;
  readonly admin?: string;
  readonly config?: string;
  readonly sha256?: string;
  readonly json?: true;
}

// Only `-c`: `--config` is a filter's config.
function configFile(): Option {
  return new Option("-c <file>", "the configuration file");
}

function adminAddress(): Option {
  return new Option(
    "--admin <address>",
    "the host's admin address, host:port or unix:/path; otherwise the configuration file's",
  ).conflicts("c");
}

function compiledFilters(): Option {
  return new Option("--artifacts <folder>", "the folder that keeps compiled filters").default(".sluice");
}

function readVersion(): string {
  // Beside host/ in the repository and beside dist/ in the package: the same way up from both.
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
