import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { MAIN, sluice } from "./command.ts";
import { ScriptedHost, STATUS } from "./scripted-host.ts";

let host: ScriptedHost;
const scripts: Record<string, string> = {};

beforeAll(async () => {
  for (const shell of ["bash", "zsh", "fish"])
    scripts[shell] = (await sluice(["completion", shell], { cwd: tmpdir() })).stdout;
});

beforeEach(async () => {
  host = await ScriptedHost.start();
  const [keys] = STATUS.filters;
  const names = ["keys", "key-mask", "$(touch broken)"];
  host.answer("GET /v1/status", { ...STATUS, filters: names.map((name) => ({ ...keys, name })) });
  // The command as it is when it is installed.
  const folder = join(host.folder, "bin");
  mkdirSync(folder);
  writeFileSync(join(folder, "sluice"), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`, {
    mode: 0o755,
  });
  for (const shell of ["bash", "zsh", "fish"]) {
    writeFileSync(join(host.folder, shell), scripts[shell] ?? "");
  }
  writeFileSync(join(host.folder, "next file.wasm"), "");
});

afterEach(() => host[Symbol.asyncDispose]());

/** What is offered for the last word of a line, which may be empty. */
const CASES = (): [line: string, offered: string[]][] => [
  ["sluice re", ["record", "refused", "reload", "replay"]],
  ["sluice swap ke", ["key-mask", "keys"]],
  [`sluice swap --admin ${host.address} --canary 5% ke`, ["key-mask", "keys"]],
  ["sluice rollback --trial ke", ["key-mask", "keys"]],
  ["sluice swap keys next", ["next file.wasm"]],
  ["sluice swap keys next.wasm --max-l", ["--max-latency"]],
  ["sluice log-level w", ["warn"]],
  ["sluice completion z", ["zsh"]],
  ["sluice swap keys --sha256 next", []],
];

/** Runs a script of a shell where `sluice` is, and where the host is found by the usual file. */
async function run(shell: string, script: string): Promise<string> {
  writeFileSync(join(host.folder, "sluice.yaml"), configFor(host.address));
  const child = spawn(shell, ["-c", script], {
    cwd: host.folder,
    env: {
      ...process.env,
      PATH: `${join(host.folder, "bin")}${delimiter}${process.env["PATH"]}`,
      HOME: host.folder,
    },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 20_000,
  });
  return text(child.stdout);
}

function configFor(admin: string): string {
  return JSON.stringify({
    listen: ["127.0.0.1:0"],
    admin,
    upstreams: { api: { servers: ["http://127.0.0.1:9000"] } },
    routes: [{ match: { path: "/*" }, upstream: "api" }],
  });
}

function sorted(output: string): string[] {
  return output
    .split("\n")
    .filter((line) => line !== "")
    .sort();
}

describe("bash", () => {
  test("offers commands, options, choices, files and the names of filters", async () => {
    for (const [line, offered] of CASES()) {
      const script = `source ./bash; COMP_LINE='${line}'; COMP_POINT=\${#COMP_LINE}; _sluice; printf '%s\\n' "\${COMPREPLY[@]}"`;
      expect(sorted(await run("bash", script)), line).toEqual(offered);
    }
  });

  test("does not run what a host has named its filters", async () => {
    const script = `source ./bash; COMP_LINE='sluice swap '; COMP_POINT=12; _sluice; printf '%s\\n' "\${COMPREPLY[@]}"; ls`;
    const output = await run("bash", script);

    expect(output).toContain("\\$\\(touch\\ broken\\)\n");
    expect(output).not.toMatch(/^broken$/m);
  });
});

test.skipIf(!works("zsh"))("zsh offers the same", async () => {
  // Its completion runs within its line editor alone: somebody has to type, and to see what comes of it.
  const cases = [
    ["sluice rel", "reload"],
    ["sluice swap key-", "key-mask"],
    ["sluice swap keys next", "next*file.wasm"],
    ["sluice swap keys --max-l", "--max-latency"],
    ["sluice log-level w", "warn"],
  ];
  const typing = cases.map(
    ([typed, completed]) => `
      zpty -w -n typing $'${typed}\\t'
      zpty -r typing seen '*${completed}*' && print -r -- "${completed}"
      zpty -w -n typing $'\\C-u'`,
  );
  const output = await run(
    "zsh",
    `zmodload zsh/zpty
    zpty typing zsh -f -i
    zpty -w typing "autoload -Uz compinit && compinit -u -D && source ./zsh && print REA''DY"
    zpty -r typing seen '*READY*'
    ${typing.join("")}
    zpty -d typing`,
  );

  expect(output.trimEnd().split("\n")).toEqual([
    "reload",
    "key-mask",
    "next*file.wasm",
    "--max-latency",
    "warn",
  ]);
});

test.skipIf(!works("fish"))("fish offers the same", async () => {
  for (const [line, offered] of CASES()) {
    const output = await run("fish", `source ./fish; complete -C '${line}' | string replace -r '\\t.*' ''`);
    expect(sorted(output), line).toEqual(offered);
  }
});

function works(shell: string): boolean {
  return spawnSync(shell, ["--version"], { stdio: "ignore" }).status === 0;
}
