import type { Command } from "commander";
import { configFile, json } from "./shared-options.ts";
import type { SloInitOptions } from "./slo.ts";

/** Adds the command for SLOs. */
export function addSloCommands(program: Command, end: (code: number) => void): void {
  const slo = program.command("slo").description("makes what watches over the SLOs of a configuration");
  slo
    .command("init")
    .description("writes rules for Prometheus with their tests, and a dashboard for Grafana")
    .addOption(configFile().default("sluice.yaml"))
    .option("--out <folder>", "where to", ".")
    .option("--force", "overwrites files that differ")
    .addOption(json())
    .action(async (options: SloInitOptions) => {
      const { sloInit } = await import("./slo.ts");
      end(sloInit(options));
    });
}
