import { type Command, InvalidArgumentError, Option } from "commander";
import { parseCount } from "./trial-options.ts";

/** Options that several commands have, and what they read. */

// Only `-c`: `--config` is a filter's config.
export function configFile(): Option {
  return new Option("-c <file>", "the configuration file");
}

export function adminAddress(): Option {
  return new Option(
    "--admin <address>",
    "the host's admin address, host:port or unix:/path; otherwise the configuration file's",
  );
}

/** A command that asks a running host, which it finds by its file or its address. */
export function asksHost(command: Command): Command {
  return command
    .addOption(configFile())
    .addOption(adminAddress().conflicts("c"))
    .addOption(tokenFile())
    .addOption(json());
}

/** A command that changes what runs. */
export function changesHost(command: Command): Command {
  return asksHost(command).addOption(
    new Option(
      "--if-generation <number>",
      "changes nothing when another generation is live by then",
    ).argParser(parseGeneration),
  );
}

/** A token itself is no option: everybody on the machine sees the command line. */
export function tokenFile(): Option {
  return new Option("--token-file <file>", "a file with the token; otherwise that of SLUICE_TOKEN");
}

export function json(): Option {
  return new Option("--json", "prints one JSON document");
}

export function parseGeneration(text: string): number {
  const number = parseCount(text);
  if (number > 0) return number;
  throw new InvalidArgumentError("Generations are counted from 1.");
}
