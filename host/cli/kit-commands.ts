import { type Command, Option } from "commander";
import type { TemplateName } from "../kit/project.ts";

/** The commands for authors of filters. What each needs is loaded when it is called. */
export function addKitCommands(program: Command, end: (code: number) => void): void {
  program
    .command("new")
    .description("makes a Cargo project for a filter, in a new folder of its name")
    .argument("<name>", "the name of the crate")
    .addOption(
      new Option("--template <name>", "what its first filter does")
        .choices(["headers", "auth", "body", "http-client"] satisfies TemplateName[])
        .default("headers"),
    )
    .action(async (name: string, options: { template: TemplateName }) => {
      const { createNew } = await import("./new.ts");
      end(createNew(name, options));
    });

  program
    .command("doctor")
    .description(
      "checks Rust, its wasm target and the project of this folder, and says how to put right what is wrong",
    )
    .option(
      "--fix",
      "adds the wasm target, and writes this sluice's SDK into the project, where they are wrong",
    )
    .option("--json", "prints the findings as JSON")
    .action(async (options: { fix?: true; json?: true }) => {
      const { doctor } = await import("./doctor.ts");
      end(await doctor(options));
    });

  program
    .command("build")
    .description(
      "builds the component of this folder's filter, and beside it its names and lines; prints what it needs",
    )
    .option("--package <name>", "the crate, where there are several filters")
    .option("--out <folder>", "where the component is put, instead of target/sluice")
    .addOption(filterConfig())
    .option("--json", "prints what is known of the component as JSON")
    .action(async (options: { package?: string; out?: string; config?: string; json?: true }) => {
      const { build } = await import("./build.ts");
      end(await build(options));
    });

  program
    .command("inspect")
    .description(
      "tells what a component imports, needs granted and is made of, and whether a host would load it",
    )
    .argument("<file>", "the component")
    .addOption(filterConfig())
    .option("--json", "prints the same as JSON")
    .action(async (file: string, options: { config?: string; json?: true }) => {
      const { inspect } = await import("./inspect.ts");
      end(await inspect(file, options));
    });
}

function filterConfig(): Option {
  return new Option("--config <json>", "the filter's config, on which its phases depend");
}
