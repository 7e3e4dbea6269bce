import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { aptGet } from "../support/apt.ts";

/** What a person types who wants it for good. */
export const INSTALL = "apt-get install -y --no-install-recommends prometheus";

const TOOLS = fileURLToPath(new URL("../../.tools/", import.meta.url));

/**
 * Where promtool is: on the PATH, or unpacked from Debian's package into the project's own directory of tools.
 * Unpacked, not installed: the package would start a Prometheus on whatever machine the tests run. Undefined when neither works.
 */
export function promtool(): string | undefined {
  if (works("promtool")) return "promtool";
  const unpacked = path.join(TOOLS, "promtool");
  if (!works(unpacked)) unpack(unpacked);
  return works(unpacked) ? unpacked : undefined;
}

function works(command: string): boolean {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
}

function unpack(target: string): void {
  if (!existsSync("/usr/bin/apt-get")) return;
  mkdirSync(TOOLS, { recursive: true });
  const place = mkdtempSync(path.join(TOOLS, "promtool-"));
  const run = (command: string, args: readonly string[]): boolean =>
    spawnSync(command, args, { cwd: place, stdio: "ignore" }).status === 0;
  const download = aptGet("download", "prometheus");
  try {
    // An image of a container often has no package lists; only root can fetch them.
    if (!run(...download) && run(...aptGet("update"))) run(...download);
    const archive = readdirSync(place).find((name) => name.endsWith(".deb"));
    if (archive === undefined || !run("dpkg-deb", ["-x", archive, "."])) return;
    execFileSync("mv", [path.join(place, "usr/bin/promtool"), target]);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
