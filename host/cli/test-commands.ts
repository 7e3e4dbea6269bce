import { type Command, Option } from "commander";
import type { BenchOptions } from "./bench.ts";
import type { DevOptions } from "./dev.ts";
import { configFile } from "./shared-options.ts";
import type { ReplayOptions } from "./replay.ts";
import type { TestOptions } from "./test.ts";

/** The commands that run a filter: by itself, or in a proxy of its own. */
export function addTestCommands(program: Command, end: (code: number) => void): void {
  addDev(program, end);

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
    .option("--from <capsule>", "runs nothing, and makes a case of a failure in production")
    .option("-o <file>", "writes that case there, instead of to standard output")
    .addOption(compiledFilters())
    .action(async (target: string, options: TestOptions) => {
      const { test } = await import("./test.ts");
      end(await test(target, options));
    });

  program
    .command("replay")
    .description(
      "plays recorded exchanges to a filter, and shows what it does otherwise; or a failure, again",
    )
    .argument("<file>", "what sluice record has written, or a capsule")
    .addOption(new Option("--filter <component>", "the component; otherwise that of this folder's crate"))
    .addOption(new Option("--against <component>", "the same, of another version").conflicts("filter"))
    .option("--config <json>", "another config than the recorded one; @file reads it from a file")
    .option("--diff", "tells every difference in full, and not the first ones alone")
    .option("--json", "prints what came of it as JSON")
    .addOption(compiledFilters())
    .action(async (file: string, options: ReplayOptions) => {
      const { replay } = await import("./replay.ts");
      end(await replay(file, options));
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

function addDev(program: Command, end: (code: number) => void): void {
  program
    .command("dev")
    .description(
      "runs a proxy with this folder's filter in it, builds and swaps it when it is saved, and shows what it makes of each exchange",
    )
    .option(
      "--upstream <url>",
      "the server that requests go to, instead of one that answers with what it saw",
    )
    .option("--port <port>", "where it listens on 127.0.0.1; 0 lets the system choose", "8080")
    .option("--config <json>", "the filter's config, instead of the one in the configuration")
    .addOption(configFile())
    .action(async (options: DevOptions) => {
      const { dev } = await import("./dev.ts");
      end(await dev(options));
    });
}

function compiledFilters(): Option {
  return new Option("--artifacts <folder>", "the folder that keeps compiled filters").default(".sluice");
}
