import { readFileSync } from "node:fs";
import { Argument, Command, CommanderError, Option } from "commander";
import { addArtifactCommands } from "./artifact-commands.ts";
import { addChangeCommands } from "./change-commands.ts";
import { complain } from "./complaint.ts";
import type { Shell } from "./completion.ts";
import { addKitCommands } from "./kit-commands.ts";
import { addSloCommands } from "./slo-commands.ts";
import { addTestCommands } from "./test-commands.ts";
import { DONE, FAILED } from "./exit-code.ts";
import type { HealthOptions } from "./healthcheck.ts";
import { adminAddress, configFile, json } from "./shared-options.ts";
import { addViewCommands } from "./view-commands.ts";

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
    .option("--no-color", "prints no colours, as with NO_COLOR in the environment")
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, "sluice:")) })
    .enablePositionalOptions()
    .exitOverride()
    .hook("preAction", () => {
      if (program.opts<{ color: boolean }>().color) return;
      // What Node itself looks for, so that nothing has to be told twice.
      process.env["NO_COLOR"] = "1";
      delete process.env["FORCE_COLOR"];
    });

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
    .addOption(json())
    .action(async (options: { c: string; json?: true }) => {
      const { check } = await import("./check.ts");
      end(await check(options.c, options));
    });

  addViewCommands(program, end);
  addChangeCommands(program, end);
  addArtifactCommands(program, end);
  addSloCommands(program, end);
  addKitCommands(program, end);
  addTestCommands(program, end);
  addMachineCommands(program, end);
  return program;
}

/** What no person types every day. */
function addMachineCommands(program: Command, end: (code: number) => void): void {
  program
    .command("healthcheck")
    .description("asks the host how it is, for containers and supervisors: 0 when it serves, otherwise 1")
    .addOption(
      new Option("--ready", "every worker serves, and none drains (without --live)").conflicts("live"),
    )
    .option("--live", "the host answers at all")
    .addOption(configFile())
    .addOption(adminAddress().conflicts("c"))
    .addOption(json())
    .action(async (options: HealthOptions) => {
      const { healthcheck } = await import("./healthcheck.ts");
      end(await healthcheck(options));
    });

  program
    .command("completion")
    .description("prints the completion of commands for a shell")
    .addArgument(new Argument("<shell>", "which one").choices(SHELLS))
    .action(async (shell: Shell) => {
      const { completion } = await import("./completion.ts");
      process.stdout.write(completion(program, shell));
    });

  // What the scripts of `completion` ask while somebody types.
  program
    .command("complete", { hidden: true })
    .argument("<words...>")
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words: string[]) => {
      const { completeFilters } = await import("./completion-names.ts");
      process.stdout.write(await completeFilters(words));
    });
}

const SHELLS = ["bash", "zsh", "fish"] as const;

function readVersion(): string {
  // Beside host/ in the repository and beside dist/ in the package: the same way up from both.
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
