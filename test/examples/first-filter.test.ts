/** docs/filters/first-filter.md, walked as it says: with npm's package, Rust, and nothing of this repository. */
import assert from "node:assert/strict";
import { type ChildProcess, type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../support/waiting.ts";
import { shows, type Step, stepsOf } from "./console-page.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const PAGE = readFileSync(join(ROOT, "docs", "filters", "first-filter.md"), "utf8");

/** For a first build of all that filters depend on, on a machine that is busy. */
const BUILD_MS_MAX = 600_000;

/** npm's scripts and the package's command run with the Node that runs this. */
const PATH = [dirname(process.execPath), process.env["PATH"]].join(delimiter);

const packed = mkdtempSync(join(tmpdir(), "sluice-packed-"));
let tarball = "";

beforeAll(async () => {
  await promisify(execFile)("npm", ["pack", "--pack-destination", packed], {
    cwd: ROOT,
    env: { ...process.env, PATH },
    maxBuffer: 64 * 1024 * 1024,
  });
  tarball = join(packed, readdirSync(packed).find((name) => name.endsWith(".tgz")) ?? "");
}, BUILD_MS_MAX);

afterAll(() => rmSync(packed, { recursive: true, force: true }));

test("npm packs all that the commands need, and nothing that only this repository has a use for", async () => {
  const { stdout } = await promisify(execFile)("tar", ["-tzf", tarball]);
  const files = stdout.split("\n").map((line) => line.replace(/^package\//, ""));

  const templates = readdirSync(join(ROOT, "templates"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));
  expect(files, "npm leaves some templates out").toEqual(expect.arrayContaining(templates));
  expect(files, "not even npm follows links: meter/pkg must be a folder").toContain(
    "meter/pkg/meter_bg.wasm",
  );
  expect(files).toEqual(
    expect.arrayContaining([
      "bin/sluice.js",
      "dist/cli/main.js",
      "dist/filters/api_key.wasm",
      "dist/sdk/Cargo.toml",
      "dist/sdk/macros/src/lib.rs",
      "dist/sdk/wit/world.wit",
      "schema/case.schema.json",
      "scripts/wasm-targets.sh",
      "wit/world.wit",
    ]),
  );
  expect(
    files.filter((file) => /^(bench|docs|examples|filters|host|meter\/src|target|test)\//.test(file)),
  ).toEqual([]);
  expect(statSync(tarball).size, "something large has come into the package").toBeLessThan(2_500_000);
});

test("the page's commands print what it shows, from sluice new to a swap in a running proxy", {
  timeout: BUILD_MS_MAX,
}, async () => {
  const steps = stepsOf(PAGE);
  expect(steps.length).toBeGreaterThan(10);
  await using walk = await Walk.begun();
  for (const step of steps) await walk.take(step);
});

/** Somebody who does what a page says, in an empty folder. */
class Walk implements AsyncDisposable {
  readonly #folder: string;
  /** The page's ports, and those that are free here. */
  readonly #ports: ReadonlyMap<string, string>;
  readonly #running: { readonly child: ChildProcess; readonly closed: Promise<unknown> }[] = [];
  /** Where the next command is typed. */
  #cwd: string;

  private constructor(folder: string, ports: ReadonlyMap<string, string>) {
    this.#folder = folder;
    this.#ports = ports;
    this.#cwd = folder;
  }

  static async begun(): Promise<Walk> {
    // The same folder as long as the SDK is the same, so that cargo need not build it anew. It would not see that another one lies there:
    // what npm installs is always equally old.
    const sdk = createHash("sha256").update(ROOT);
    const sources = join(ROOT, "dist", "sdk");
    for (const entry of readdirSync(sources, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) sdk.update(readFileSync(join(entry.parentPath, entry.name)));
    const folder = join(tmpdir(), `sluice-walk-${sdk.digest("hex").slice(0, 12)}`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    return new Walk(folder, new Map(await freePorts(["8080", "9901", "9000"])));
  }

  async take(step: Step): Promise<void> {
    if (step.kind === "edit") {
      const file = join(this.#cwd, "src", "lib.rs");
      const before = readFileSync(file, "utf8");
      assert.equal(before.split(step.before).length, 2, "src/lib.rs has not once what is to be changed");
      const after = before.replace(step.before, () => step.after);
      writeFileSync(file, after);
      return;
    }
    const { command, printed } = step;
    const [program = "", ...words] = this.#here(command).split(" ");
    if (program === "cd") this.#cwd = join(this.#cwd, ...words);
    else if (program === "node" || command === "sluice run") await this.#start(this.#here(command));
    else {
      const output = program === "curl" ? await curl(words) : await this.#run(this.#here(command), printed);
      assert.ok(printed === "" || shows(printed, output), `$ ${command}\n${output}\n… and not\n${printed}`);
    }
    if (command.startsWith("sluice new ")) this.#settle(join(this.#cwd, words[1] ?? ""));
  }

  /** A command of the page with what is elsewhere here: the ports, and the package. */
  #here(command: string): string {
    const elsewhere = command.replaceAll(/\b\d{4}\b/g, (port) => this.#ports.get(port) ?? port);
    return elsewhere.replace(/^(npm install --global) sluice$/, `$1 --prefer-offline '${tarball}'`);
  }

  /** A new project keeps what cargo builds with that of the templates' tests, and takes the versions that this repository has. */
  #settle(project: string): void {
    const target = join(process.env["CARGO_TARGET_DIR"] ?? join(ROOT, "target"), "kit");
    for (const own of ["sluice", "next"]) rmSync(join(target, own), { recursive: true, force: true });
    mkdirSync(target, { recursive: true });
    symlinkSync(target, join(project, "target"));
    copyFileSync(join(ROOT, "Cargo.lock"), join(project, "Cargo.lock"));
    const file = join(project, "sluice.yaml");
    writeFileSync(file, this.#here(readFileSync(file, "utf8")));
  }

  /** What the command prints. It fails where the page shows why, and nowhere else. */
  async #run(command: string, expected: string): Promise<string> {
    const child = this.#spawn(command);
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close") as Promise<[number | null]>,
    ]);
    const fails = expected.startsWith("sluice: ");
    assert.equal(code, fails ? 1 : 0, `$ ${command}\n${stdout}${stderr}`);
    return fails ? stderr : stdout;
  }

  /** A command that goes on until the walk is over, in a terminal of its own. */
  async #start(command: string): Promise<void> {
    const child = this.#spawn(command);
    this.#running.push({ child, closed: once(child, "close") });
    let printed = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (part: string) => {
        printed += part;
      });
    await waitFor(
      `a beginning of: ${command}`,
      async () => {
        assert.equal(child.exitCode, null, `it has ended:\n${printed}`);
        if (command === "sluice run") return printed.includes('"serving"');
        return await curl(["-i", `http://127.0.0.1:${this.#ports.get("9000")}/`]).then(
          () => true,
          () => false,
        );
      },
      60_000,
    );
  }

  #spawn(command: string): ChildProcessByStdio<null, Readable, Readable> {
    const global = join(this.#folder, "global");
    // What npm test and cargo have been told is nothing that this page knows of.
    const { CARGO_TARGET_DIR: _, ...others } = process.env;
    const env = {
      ...others,
      PATH: [join(global, "bin"), PATH].join(delimiter),
      npm_config_prefix: global,
      npm_config_audit: "false",
      npm_config_fund: "false",
    };
    return spawn("sh", ["-c", `exec ${command}`], { cwd: this.#cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#running) child.kill("SIGKILL");
    await Promise.all(this.#running.map(({ closed }) => closed));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What `curl -i URL` prints: not every machine has curl. */
async function curl([option, url = "", ...others]: readonly string[]): Promise<string> {
  assert.deepEqual([option, others], ["-i", []], "the page asks more of curl than is known here");
  // A connection that could go on, as curl's: otherwise the answer says that it will not.
  const agent = new Agent({ keepAlive: true });
  const asked = request(url, { agent, headers: { "user-agent": "curl/8.7.1", accept: "*/*" } }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const { httpVersion, statusCode, statusMessage, rawHeaders } = response;
  const fields = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? `${name}: ${rawHeaders[at + 1]}\n` : []));
  const body = await text(response);
  agent.destroy();
  return `HTTP/${httpVersion} ${statusCode} ${statusMessage}\n${fields.join("")}\n${body}`;
}

/** For each port of the page one that nothing listens on. */
async function freePorts(ports: readonly string[]): Promise<(readonly [string, string])[]> {
  const servers = await Promise.all(
    ports.map(async (port) => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      return [port, server] as const;
    }),
  );
  return servers.map(([port, server]) => {
    const free = String((server.address() as AddressInfo).port);
    server.close();
    return [port, free] as const;
  });
}
