import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { output } from "./child.ts";

/** Whether a command is there, installed now if need be and possible. */
export async function hasTool(name: string): Promise<boolean> {
  if (isInPath(name)) return true;
  if (process.getuid?.() === 0 && existsSync("/etc/debian_version")) {
    console.error(`installing ${name} with apt-get`);
    try {
      await output(["apt-get", "install", "--yes", "--no-install-recommends", name]);
    } catch (error) {
      console.error(String(error));
    }
  }
  return isInPath(name);
}

function isInPath(name: string): boolean {
  // Where Debian keeps nginx is not in everybody's PATH.
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"];
  return folders.some((folder) => existsSync(join(folder, name)));
}
