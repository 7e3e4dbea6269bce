import { type Command, InvalidArgumentError, Option } from "commander";
import type { AskOptions } from "./asking.ts";
import type { DiffOptions } from "./diff.ts";
import type { ExplainOptions } from "./explain.ts";
import type { ArtifactOptions } from "./list.ts";
import { adminAddress, asksHost, configFile, json, tokenFile } from "./shared-options.ts";
import type { TopOptions } from "./top.ts";
import type { TraceOptions } from "./trace.ts";
import { parseCount, parseTime } from "./trial-options.ts";

/** Adds the commands that show what a running host does. But `artifacts --collect` none of them changes anything. */
export function addViewCommands(program: Command, end: (code: number) => void): void {
  asksHost(program.command("status").description("shows what a running host serves")).action(
    async (options: AskOptions) => {
      const { status } = await import("./status.ts");
      end(await status(options));
    },
  );

  asksHost(
    program.command("top").description("shows the traffic of routes, filters and servers as it goes by"),
  )
    .option("--once", "prints one table and ends")
    .action(async (options: TopOptions) => {
      const { top } = await import("./top.ts");
      end(await top(options));
    });

  program
    .command("diff")
    .description(
      "shows how the host's file, or the one of -c, differs from what runs; or what a swap would change",
    )
    .argument("[filter]", "its name, for a swap")
    .argument("[file]", "the new component, a file or oci://…")
    .option("--config <json>", "the filter's new config; @file reads it from a file")
    .option("--sha256 <hex>", "the digest that the component must have")
    .addOption(configFile())
    // Not in conflict with -c: the file may be meant for a host whose address it does not have.
    .addOption(adminAddress())
    .addOption(tokenFile())
    .addOption(json())
    .action(async (name: string | undefined, file: string | undefined, options: DiffOptions) => {
      const { diff } = await import("./diff.ts");
      end(await diff(name, file, options));
    });

  asksHost(program.command("trial").description("shows how the trial of a filter's new version goes"))
    .argument("<filter>", "its name")
    .action(async (name: string, options: AskOptions) => {
      const { trial } = await import("./trial.ts");
      end(await trial(name, options));
    });

  asksHost(
    program
      .command("explain")
      .description("says which route a request would take, and why it takes no other"),
  )
    .argument("<method>", "like GET")
    .argument("<url>", "a whole URL, or what follows its host")
    .option("--offline", "from the configuration file alone, without asking a host")
    .action(async (method: string, url: string, options: ExplainOptions) => {
      const { explain } = await import("./explain.ts");
      end(await explain(method, url, options));
    });

  asksHost(
    program
      .command("trace")
      .description(
        "says what happened in an exchange: filters, servers, failure; or lists those that are kept",
      ),
  )
    .argument("[id]", "its X-Request-Id")
    .option("--failed", "lists those that failed alone")
    .option("--route <name>", "lists those of a route")
    .option("--filter <filter>", "lists those in which this filter was called, replied or failed")
    .addOption(new Option("--limit <number>", "lists so many (20)").argParser(parseLimit))
    .option("--sign", "prints a header that has a request kept and answered with Server-Timing")
    .addOption(new Option("--for <duration>", "how long it counts (1h)").argParser(parseTime))
    .action(async (id: string | undefined, options: TraceOptions) => {
      const { trace } = await import("./trace.ts");
      end(await trace(id, options));
    });

  addLists(program, end);
}

function parseLimit(text: string): number {
  const limit = parseCount(text);
  if (limit >= 1 && limit <= 500) return limit;
  throw new InvalidArgumentError("From 1 to 500.");
}

function addLists(program: Command, end: (code: number) => void): void {
  asksHost(
    program
      .command("history")
      .description("lists the generations that a rollback can go to: who made them, and what changed"),
  ).action(async (options: AskOptions) => {
    const { history } = await import("./list.ts");
    end(await history(options));
  });

  asksHost(program.command("artifacts").description("lists the artifacts in the host's store"))
    .option("--collect", "removes those that nothing names and nobody has used for a while")
    .action(async (options: ArtifactOptions) => {
      const { artifacts } = await import("./list.ts");
      end(await artifacts(options));
    });

  asksHost(
    program.command("workers").description("lists the host's workers and what each of them does"),
  ).action(async (options: AskOptions) => {
    const { workers } = await import("./list.ts");
    end(await workers(options));
  });

  asksHost(
    program
      .command("refused")
      .description("lists the last requests that were refused before any route was found"),
  ).action(async (options: AskOptions) => {
    const { refused } = await import("./list.ts");
    end(await refused(options));
  });
}
