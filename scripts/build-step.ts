/** What the builds have in common: a program is run, and its failure is a sentence. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

export const ROOT: string = join(import.meta.dirname, "..");

export type BuildEnvironment = Readonly<Record<string, string | undefined>>;

/** Its message is a sentence for a person at a terminal, who needs no stack. */
export class BuildError extends Error {
  override readonly name = "BuildError";
}

/** Runs a program with its own output on the terminal. Throws a `BuildError` with this sentence when it fails. */
export function show(
  command: string,
  args: readonly string[],
  failed: string,
  environment: BuildEnvironment = process.env,
): void {
  run(command, args, failed, "inherit", environment);
}

/** What a program writes; its errors go to the terminal. Throws as `show` does. */
export function output(command: string, args: readonly string[], failed: string): string {
  return run(command, args, failed, "pipe", process.env);
}

/** What a program writes that may be missing, and may fail. */
export function read(
  command: string,
  args: readonly string[],
  environment: BuildEnvironment,
): string | undefined {
  const result = spawnSync(command, args, {
    cwd: ROOT,
    encoding: "utf8",
    env: environment,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return result.status === 0 ? result.stdout : undefined;
}

function run(
  command: string,
  args: readonly string[],
  failed: string,
  stdout: "inherit" | "pipe",
  environment: BuildEnvironment,
): string {
  const result = spawnSync(command, args, {
    cwd: ROOT,
    encoding: "utf8",
    env: environment,
    maxBuffer: 64 * 1024 * 1024,
    stdio: ["ignore", stdout, "inherit"],
  });
  if (result.error !== undefined && "code" in result.error && result.error.code === "ENOENT") {
    throw new BuildError(
      `${command} is not in PATH, and the filters are built with Rust. Install it as https://rustup.rs says, or open a new shell if you just have.`,
    );
  }
  if (result.error !== undefined) throw new BuildError(failed, { cause: result.error });
  if (result.status !== 0) throw new BuildError(failed);
  return result.stdout;
}
