import { type Command, Option } from "commander";
import { ADMIN_ROLES, type AdminRole } from "../config/config.ts";
import type { RegistryFlags } from "./registry-access.ts";

/** Adds the commands that carry components about and vouch for them. */
export function addArtifactCommands(program: Command, end: (code: number) => void): void {
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

  addCredentialCommands(program, end);
}

function addCredentialCommands(program: Command, end: (code: number) => void): void {
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
