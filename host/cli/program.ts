import { readFileSync } from "node:fs";
import { Command, CommanderError, Option } from "commander";
import { ADMIN_ROLES, type AdminRole } from "../config/config.ts";
import { complain } from "./complaint.ts";
import { DONE, FAILED } from "./exit-code.ts";
import type { RegistryFlags } from "./registry-access.ts";

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

  program
    .command("push")
    .description(
      "puts a component into a registry, with the signatures beside its file, and prints its reference",
    )
    .argument("<file>", "the component; FILE.sigstore.json and FILE.sig go along when they are there")
    .argument("<reference>", "oci://host/name:tag")
    .addOption(credentialsFile())
    .addOption(authoritiesFile())
    .addOption(insecure())
    .option("--json", "prints the result as JSON")
    .action(async (file: string, reference: string, options: RegistryFlags) => {
      const { push } = await import("./push.ts");
      end(await push(file, reference, options));
    });

  program
    .command("pull")
    .description("fetches a component from a registry, with its signatures")
    .argument("<reference>", "oci://host/name:tag or oci://host/name@sha256:…")
    .option("-o, --output <file>", "where to; otherwise the name's last part with .wasm")
    .addOption(credentialsFile())
    .addOption(authoritiesFile())
    .addOption(insecure())
    .option("--json", "prints the result as JSON")
    .action(async (reference: string, options: RegistryFlags & { output?: string }) => {
      const { pull } = await import("./pull.ts");
      end(await pull(reference, options));
    });

  program
    .command("sign")
    .description("signs a component with a key, for hosts whose configuration asks for signatures")
    .argument("<file>", "the component; its signature is added to <file>.sig")
    .requiredOption("--key <file>", "the private key in PEM: Ed25519, or ECDSA on P-256 or P-384")
    .option("--json", "prints the result as JSON")
    .action(async (file: string, options: { key: string; json?: true }) => {
      const { sign } = await import("./sign.ts");
      end(await sign(file, options));
    });

  program
    .command("token")
    .description("makes a token for the admin API, and its line for the configuration")
    .argument("[name]", "what the audit log calls who has it", "operator")
    .addOption(
      new Option("--role <role>", "what it is good for")
        .choices(ADMIN_ROLES)
        .default("read" satisfies AdminRole),
    )
    .option("--json", "prints both as JSON")
    .action(async (name: string, options: { role: AdminRole; json?: true }) => {
      const { token } = await import("./token.ts");
      end(token(name, options));
    });

  return program;
}

function credentialsFile(): Option {
  return new Option("--credentials <file>", "a docker config file, instead of the user's own");
}

function authoritiesFile(): Option {
  return new Option("--ca <file>", "who signs the registry's certificate, in PEM").conflicts("insecure");
}

function insecure(): Option {
  return new Option("--insecure", "speaks with the registry in the clear, as with those on this machine");
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

function readVersion(): string {
  // Beside host/ in the repository and beside dist/ in the package: the same way up from both.
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
