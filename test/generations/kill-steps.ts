/**
 * Loaded into a host's threads before all else. While the file `kill-at` in its folder has a number, each step of a change that can be
 * seen from outside is written to `steps`, and the process kills itself before the one of that number.
 */
import { appendFileSync, existsSync, promises, readFileSync } from "node:fs";
import { ServerResponse } from "node:http";
import { syncBuiltinESMExports } from "node:module";
import { basename, dirname } from "node:path";
import { Worker } from "node:worker_threads";

const WRITING = ["open", "rename", "readFile", "writeFile", "mkdtemp", "mkdir", "rm", "utimes"] as const;

function step(name: string): void {
  if (!existsSync("kill-at")) return;
  appendFileSync("steps", `${name}\n`);
  const count = readFileSync("steps", "utf8").split("\n").length - 1;
  if (count === Number(readFileSync("kill-at", "utf8"))) process.kill(process.pid, "SIGKILL");
}

type Call = (...values: unknown[]) => unknown;

/** Has a step before each call of a method, or after it. `named` gives none for calls that are none. */
function watch(
  of: object,
  method: string,
  named: (values: readonly unknown[]) => string | undefined,
  when: "before" | "after" = "before",
): void {
  const methods = of as Record<string, Call>;
  const original = methods[method] as Call;
  methods[method] = function (this: unknown, ...values) {
    const name = named(values);
    if (name !== undefined && when === "before") step(name);
    const result = original.apply(this, values);
    if (name !== undefined && when === "after") step(name);
    return result;
  };
}

for (const method of WRITING) {
  watch(promises, method, (values) => {
    // Of a renaming what counts is where it leads.
    const path = String(method === "rename" ? values[1] : values[0]);
    const place = `${basename(dirname(path))}/${basename(path)}`;
    return `${method} ${place.replaceAll(/[0-9a-f]{8,}|\d+/g, "N")}`;
  });
}
syncBuiltinESMExports();

watch(Worker.prototype, "postMessage", ([message]) => {
  const { order, bytes } = message as { order?: { kind: string }; bytes?: unknown };
  if (bytes !== undefined) return "transpile";
  return order !== undefined && ["prepare", "commit", "abandon"].includes(order.kind)
    ? order.kind
    : undefined;
});

watch(ServerResponse.prototype, "writeHead", () => "answer");

watch(ServerResponse.prototype, "end", () => "what comes after the answer", "after");
