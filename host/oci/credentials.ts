import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import * as z from "zod";
import { RegistryFault } from "./registry-fault.ts";

/** Who one is to a registry. */
export type Credentials =
  | { readonly kind: "password"; readonly user: string; readonly password: string }
  /** To be exchanged for tokens. */
  | { readonly kind: "identity"; readonly token: string };

/**
 * Looks a registry up in a docker config file: in the helper that is named for it, in the helper for all, in the file itself.
 * Undefined when there are none, or no such file. A `RegistryFault` says where the trouble is, and nothing of what was found.
 */
export async function findCredentials(file: string, registry: string): Promise<Credentials | undefined> {
  const config = await readDockerConfig(file);
  const helper = config.credHelpers?.[registry] ?? config.credsStore;
  if (helper !== undefined && helper !== "") {
    const told = await askHelper(helper, registry, file);
    if (told !== undefined) return told;
  }
  const entries = Object.entries(config.auths ?? {}).filter(([key]) => hostOf(key) === registry);
  // The host alone is what it is written as today; with a scheme and a path it was written by older tools.
  const entry = config.auths?.[registry] ?? entries[0]?.[1];
  return entry === undefined ? undefined : credentialsOf(entry, registry, file);
}

const AUTH = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});

// Other tools keep their own settings in it, too.
const DOCKER_CONFIG = z.object({
  auths: z.record(z.string(), AUTH).optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  credsStore: z.string().optional(),
});

async function readDockerConfig(file: string): Promise<z.infer<typeof DOCKER_CONFIG>> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return {};
    throw new RegistryFault(`the credentials in ${file} cannot be read (${code ?? "unreadable"})`);
  }
  try {
    return DOCKER_CONFIG.parse(JSON.parse(text));
  } catch {
    // Neither error goes along: each quotes what it found.
    throw new RegistryFault(`${file} is no docker config file`);
  }
}

/** `https://host:port/v1/` → `host:port`. */
function hostOf(key: string): string {
  return (key.replace(/^https?:\/\//, "").split("/")[0] ?? "").toLowerCase();
}

function credentialsOf(
  { auth, username, password, identitytoken }: z.infer<typeof AUTH>,
  registry: string,
  file: string,
): Credentials | undefined {
  if (identitytoken !== undefined && identitytoken !== "") return { kind: "identity", token: identitytoken };
  if (auth !== undefined && auth !== "") {
    const text = Buffer.from(auth, "base64").toString();
    const colon = text.indexOf(":");
    if (colon < 1) throw new RegistryFault(`${file} has no user and password in the auth of ${registry}`);
    // Some tools end it with a NUL.
    return {
      kind: "password",
      user: text.slice(0, colon),
      password: text.slice(colon + 1).replace(/\0+$/, ""),
    };
  }
  if (username === undefined || username === "") return undefined;
  return { kind: "password", user: username, password: password ?? "" };
}

const HELPER_ANSWER = z.object({ Username: z.string(), Secret: z.string() });

/** Runs `docker-credential-X get`. Undefined: it has none for this registry. */
async function askHelper(helper: string, registry: string, file: string): Promise<Credentials | undefined> {
  // It becomes the name of a program.
  if (!/^[\w.-]{1,64}$/.test(helper))
    throw new RegistryFault(`${file} names a credential helper with a name that no program has`);
  const program = `docker-credential-${helper}`;
  const { code, stdout } = await run(program, registry);
  // All helpers say it in these words, though each in its own way around them.
  if (code !== 0 && /credentials not found/i.test(stdout)) return undefined;
  if (code !== 0)
    throw new RegistryFault(`${program} gives no credentials for ${registry} (exit code ${code})`);
  try {
    const { Username, Secret } = HELPER_ANSWER.parse(JSON.parse(stdout));
    if (Secret === "") return undefined;
    return Username === "<token>"
      ? { kind: "identity", token: Secret }
      : { kind: "password", user: Username, password: Secret };
  } catch {
    throw new RegistryFault(`${program} answers with something other than credentials for ${registry}`);
  }
}

function run(program: string, input: string): Promise<{ readonly code: number; readonly stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ["get"], { stdio: ["pipe", "pipe", "ignore"] });
    const give = (why: string): void => {
      child.kill("SIGKILL");
      // What it has started itself may hold this open for longer.
      child.stdout.destroy();
      reject(new RegistryFault(`the credential helper ${program} ${why}`));
    };
    const timer = setTimeout(() => give(`has not answered within ${HELPER_MS_MAX} ms`), HELPER_MS_MAX);
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      stdout += part;
      if (stdout.length > HELPER_BYTES_MAX) give("writes without end");
    });
    // A helper that ends before it has read closes its end, which its exit code tells better.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    child.on("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      give(error.code === "ENOENT" ? "is not there" : `does not start (${error.code ?? "unknown"})`);
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? -1, stdout });
    });
  });
}

/** Some ask a service, or a keychain that a person has to open. */
const HELPER_MS_MAX = 10_000;
const HELPER_BYTES_MAX = 65_536;
