import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Issued } from "../support/certificate.ts";
import { within } from "../support/waiting.ts";

const TOOLS = fileURLToPath(new URL("../../.tools/", import.meta.url));
const MODULE = "github.com/distribution/distribution/v3/cmd/registry@v3.0.0";

/** What a person types who wants to run these tests. */
export const INSTALL: string = `GOBIN=$PWD/.tools go install ${MODULE}`;

/**
 * Where the registry's program is: among the project's tools, where Go builds it once in some minutes, or Debian's package is unpacked:
 * installed it would start one on whatever machine the tests run. Undefined when neither works.
 */
export async function registryProgram(): Promise<string | undefined> {
  const program = join(TOOLS, "registry");
  if (await works(program)) return program;
  mkdirSync(TOOLS, { recursive: true });
  // Built beside its place, as other tests may want it at the same time.
  const place = mkdtempSync(join(TOOLS, "registry-"));
  try {
    const built = (await build(place)) ?? (await unpack(place));
    if (built === undefined) return undefined;
    renameSync(built, program);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
  return (await works(program)) ? program : undefined;
}

async function build(place: string): Promise<string | undefined> {
  // Where Go's own archive is unpacked, which is not always on the PATH.
  const PATH = [process.env["PATH"], "/usr/local/go/bin"].join(delimiter);
  const env = { ...process.env, PATH, GOBIN: place, GOFLAGS: "" };
  const built = join(place, "registry");
  return (await runs("go", ["install", MODULE], { env, cwd: place })) && (await works(built))
    ? built
    : undefined;
}

async function unpack(place: string): Promise<string | undefined> {
  if (!existsSync("/usr/bin/apt-get")) return undefined;
  const download = (): Promise<boolean> => runs("apt-get", ["download", "docker-registry"], { cwd: place });
  // An image of a container often has no package lists; only root can fetch them.
  if (!(await download()) && (await runs("apt-get", ["update"], { cwd: place }))) await download();
  const archive = readdirSync(place).find((name) => name.endsWith(".deb"));
  if (archive === undefined || !(await runs("dpkg-deb", ["-x", archive, "."], { cwd: place })))
    return undefined;
  const built = join(place, "usr", "bin", "docker-registry");
  return (await works(built)) ? built : undefined;
}

/** Not blocking: vitest has to hear from a test file that waits for minutes. */
function runs(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv },
): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(command, args, options, (error) => resolve(error === null));
  });
}

async function works(program: string): Promise<boolean> {
  return existsSync(program) && (await runs(program, ["--version"], { cwd: TOOLS }));
}

/** The one user of a registry that asks for a password; the file has it as bcrypt, at the least cost. */
export const USER = "ali";
export const PASSWORD = "open sesame";
const HTPASSWD = `${USER}:$2a$04$npVmgIyi1XC4fNtxH624JeIelse7NOTXVAnPRyUfbYXPVQpjUjNjG\n`;

/** A registry of a test's own, that keeps what it has in a folder of its own. */
export class RegistryServer implements AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly #folder: string;
  readonly #process: ChildProcess;

  private constructor(host: string, folder: string, child: ChildProcess) {
    this.host = host;
    this.#folder = folder;
    this.#process = child;
  }

  static async start(
    program: string,
    { password = false, tls }: { readonly password?: boolean; readonly tls?: Issued } = {},
  ): Promise<RegistryServer> {
    const folder = mkdtempSync(join(tmpdir(), "sluice-registry-"));
    const file = (name: string, content: string): string => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const config = {
      version: "0.1",
      log: { accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(folder, "data") } },
      http: {
        addr: "127.0.0.1:0",
        secret: "of a test",
        ...(tls && { tls: { certificate: file("cert.pem", tls.cert), key: file("key.pem", tls.key) } }),
      },
      ...(password && { auth: { htpasswd: { realm: "test", path: file("htpasswd", HTPASSWD) } } }),
    };
    // JSON is YAML.
    const args = ["serve", file("config.yml", JSON.stringify(config))];
    const child = spawn(program, args, {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, OTEL_TRACES_EXPORTER: "none" },
    });
    try {
      const host = await within("the registry's address", listening(child));
      return new RegistryServer(host, folder, child);
    } catch (error) {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#process, "close");
    if (this.#process.exitCode === null && this.#process.kill("SIGKILL")) await closed;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** It says in its log where it listens. What it says later is read and forgotten, so that it never waits for a reader. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    const lines = createInterface({ input: child.stderr as Readable });
    lines.on("line", (line) => {
      const address = /msg="listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
      else said.push(line);
    });
    lines.on("close", () => reject(new Error(`the registry has ended: ${said.join("\n")}`)));
  });
}
