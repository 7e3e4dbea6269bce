import { type Command, Option } from "commander";
import type { LogLevel } from "../config/config.ts";
import type { AskOptions } from "./asking.ts";
import type { DrainOptions, RollbackOptions } from "./change.ts";
import { asksHost, changesHost, parseGeneration } from "./shared-options.ts";
import type { RecordOptions } from "./record.ts";
import type { SwapOptions } from "./swap.ts";
import { parseCanary, parseCount, parseKey, parsePercent, parseTime } from "./trial-options.ts";

/** Adds the commands that change what a running host serves. */
export function addChangeCommands(program: Command, end: (code: number) => void): void {
  changesHost(
    program
      .command("reload")
      .description("makes the configuration file live as it is now, or changes nothing"),
  ).action(async (options: AskOptions) => {
    const { reload } = await import("./change.ts");
    end(await reload(options));
  });

  addSwap(program, end);

  changesHost(
    program.command("promote").description("ends a filter's trial: the candidate becomes the filter"),
  )
    .argument("<filter>", "its name")
    .action(async (name: string, options: AskOptions) => {
      const { promote } = await import("./change.ts");
      end(await promote(name, options));
    });

  changesHost(
    program.command("rollback").description("goes back to an earlier generation, or ends a filter's trial"),
  )
    .argument("[generation]", "its number; the one before the live one when it is left out", parseGeneration)
    .option("--trial <filter>", "drops the candidate of this filter instead")
    .action(async (generation: number | undefined, options: RollbackOptions) => {
      const { rollback } = await import("./change.ts");
      end(await rollback(generation, options));
    });

  addRecord(program, end);
  addServers(program, end);

  asksHost(program.command("log-level").description("shows the level of the host's log, or sets it at once"))
    .addArgument(program.createArgument("[level]", "the new level").choices(LEVELS))
    .action(async (level: LogLevel | undefined, options: AskOptions) => {
      const { logLevel } = await import("./change.ts");
      end(await logLevel(level, options));
    });
}

function addRecord(program: Command, end: (code: number) => void): void {
  changesHost(
    program
      .command("record")
      .description("records what a filter is given and decides, redacted, for sluice replay"),
  )
    .argument("<filter>", "its name")
    .option("--for <time>", "ends after so long, 4m at the most", parseTime)
    .option("--max <number>", "ends after so many exchanges", parseCount)
    .option("--sample <share>", "the share of exchanges that are recorded, like 10%", parsePercent)
    .option("--headers <names>", "header fields whose values are kept, with commas between them")
    .option("--bodies", "keeps bodies, and not only how long they are")
    .option("-o <file>", "writes it there, instead of to standard output")
    .action(async (name: string, options: RecordOptions) => {
      const { record } = await import("./record.ts");
      end(await record(name, options));
    });
}

function addSwap(program: Command, end: (code: number) => void): void {
  changesHost(
    program
      .command("swap")
      .description(
        "puts another component or config in the place of a filter's present one, and returns when it serves; " +
          "with --canary or --shadow tries it beside the present one",
      ),
  )
    .argument("<filter>", "its name")
    .argument(
      "[file]",
      "the new component, a file or oci://…; when it is left out, the present one, read again unless --config is given",
    )
    .option("--config <json>", "replaces the filter's config, too; @file reads it from a file")
    .option("--sha256 <hex>", "the digest that the component must have")
    .addOption(
      new Option("--canary <percent>", "serves this share of exchanges with it, like 5%").argParser(
        parseCanary,
      ),
    )
    .addOption(
      new Option(
        "--key <key>",
        "what keeps its like on one side: header:NAME, cookie:NAME, client or none (client)",
      ).argParser(parseKey),
    )
    .option("--shadow", "shows it what the present one sees, compares, and serves nothing with it")
    .addOption(
      new Option("--for <time>", "promotes it after so long within the limits; 0: never (10m)").argParser(
        parseTime,
      ),
    )
    .addOption(
      new Option("--min-exchanges <number>", "judges nothing before so many (100)").argParser(parseCount),
    )
    .addOption(
      new Option(
        "--max-errors <percent>",
        "how much larger its share of failed exchanges may be (1%)",
      ).argParser(parsePercent),
    )
    .addOption(
      new Option("--max-failures <number>", "how often it may fail itself (0)").argParser(parseCount),
    )
    .addOption(
      new Option("--max-latency <time>", "how much longer its calls may take in the mean (5ms)").argParser(
        parseTime,
      ),
    )
    .addOption(
      new Option(
        "--max-differences <percent>",
        "how many exchanges of a shadow may differ (100%: any)",
      ).argParser(parsePercent),
    )
    .option("--wait", "waits for the end of the trial: 0 when it was promoted, 1 when it was rolled back")
    .action(async (name: string, file: string | undefined, options: SwapOptions) => {
      const { swap } = await import("./swap.ts");
      end(await swap(name, file, options));
    });
}

function addServers(program: Command, end: (code: number) => void): void {
  changesHost(
    program
      .command("drain")
      .description("gives a server no new exchanges; what it has in flight goes on to its end"),
  )
    .argument("<upstream>", "the upstream's name")
    .argument("<server>", "the server's URL, as in the configuration")
    .option("--undo", "gives it exchanges again")
    .action(async (upstream: string, server: string, options: DrainOptions) => {
      const { drain } = await import("./change.ts");
      end(await drain(upstream, server, options));
    });

  changesHost(
    program
      .command("weight")
      .description("changes how many exchanges a server gets, compared with the others"),
  )
    .argument("<upstream>", "the upstream's name")
    .argument("<server>", "the server's URL, as in the configuration")
    .argument("<weight>", "as in the configuration", parseCount)
    .action(async (upstream: string, server: string, weight: number, options: AskOptions) => {
      const { setWeight } = await import("./change.ts");
      end(await setWeight(upstream, server, weight, options));
    });
}

const LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];
