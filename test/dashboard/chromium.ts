import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import { aptGet } from "../support/apt.ts";

/** What a person types who wants it for good. */
export const INSTALL = "apt-get install -y --no-install-recommends chromium fonts-dejavu-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Where Chromium is. It has too many libraries to be unpacked somewhere: root installs it, where it is missing, and nobody else can. */
export async function findChromium(): Promise<string | undefined> {
  if (found() === undefined && existsSync("/usr/bin/apt-get") && process.getuid?.() === 0) {
    const install = aptGet(...INSTALL.split(" ").slice(1));
    // An image of a container often has no package lists.
    if (!(await runs(...install)) && (await runs(...aptGet("update")))) await runs(...install);
  }
  return found();
}

/** Its sandbox needs what a container forbids; the pages that it sees are ours alone. */
export function startChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

function found(): string | undefined {
  return PLACES.find((place) => existsSync(place));
}

/** Not blocking: vitest has to hear from a test file that waits for minutes. */
function runs(command: string, args: readonly string[]): Promise<boolean> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return new Promise((resolve) => {
    execFile(command, args, { env }, (error) => resolve(error === null));
  });
}
