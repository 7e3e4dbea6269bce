import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dev } from "../../host/cli/dev.ts";
import { BuildQueue } from "../../host/kit/build-queue.ts";
import { KitError } from "../../host/kit/kit-error.ts";
import { MAIN, sluice } from "../cli/command.ts";
import { Terminal } from "../cli/terminal.ts";
import { waitFor } from "../support/waiting.ts";
import { CARGO, DevProject, RunningDev } from "./running-dev.ts";

/** For a first build of all that filters depend on, on a machine that is busy. */
const FIRST_BUILD_MS_MAX = 300_000;

/** Of tests in which a crate is built more than once. */
const BUILDS_MS_MAX = 60_000;

const REMOVAL = 'request.remove_header("range");';

let project: DevProject;

beforeAll(async () => {
  project = await DevProject.create("dev-body", "body");
}, FIRST_BUILD_MS_MAX);

test("what filters make of each exchange is shown, and what is saved serves as soon as it is built", {
  timeout: BUILDS_MS_MAX,
}, async () => {
  await using running = await RunningDev.serving(project.folder);
  const first = await running.get("/?of=http://internal.example");

  expect(await first.text(), "the filter of sluice.yaml's config was not in the way").toContain(
    '"path": "/?of=https://www.example.com"',
  );
  await running.says(
    /^GET \/\?of=http:\/\/internal\.example → 200 in [\d.]+ ms, request 0 B, response \d+ B$/m,
  );
  await running.says(
    /^ {2}dev-body {2}request {2,}proceed +[\d.]+ ms {2}\d+ fuel\n {6}[~+] accept-encoding: .*identity$/m,
  );
  await running.says(/^ {2}upstream answers 200, \d+ B$/m);
  await running.says(
    /^ {2}dev-body {2}response-body \d+ B(?: in \d+ pieces)? +replace \d+ +[\d.]+ ms {2}\d+ fuel$/m,
  );

  project.save(project.source.replace(REMOVAL, `${REMOVAL} ${SECOND}`));
  await running.says("generation 2 serves it");
  const second = await running.get("/second");
  expect(await second.text()).toContain('"x-second": "yes"');
  await running.says(/^info dev-body: second path=\/second$/m);
  await running.says(/^ {6}\+ x-second: yes$/m);

  const line = project.source.slice(0, project.source.indexOf(REMOVAL)).split("\n").length;
  const broken = await running.get("/boom");
  expect(broken.status).toBe(500);
  await running.says(
    new RegExp(`^ {2}dev-body failed \\(trap\\): .*panicked at src/lib.rs:${line}:\\d+:$`, "m"),
  );
  await running.says(new RegExp(`^ {6}at .*on_request at src/lib.rs:${line}:\\d+$`, "m"));
  await running.says(/^ {2}FILTER_TRAPPED$/m);

  project.save("this is no Rust");
  await running.says("the version before serves on");
  expect(running.text, "cargo's own words are missing").toMatch(/error.*\n *--> src\/lib\.rs:1/);
  expect(await (await running.get("/second")).text()).toContain('"x-second": "yes"');

  expect(await running.end("SIGINT")).toBe(0);
  expect(project.processes).toEqual([]);
});

/** On the line on which the header is removed. */
const SECOND = [
  'sluice_filter::log::info("second", &[("path", &request.path())]);',
  'request.set_header("x-second", "yes");',
  'assert!(request.path() != "/boom", "a planted fault");',
].join(" ");

test("after a build that has failed a save is another one, saves during it are one more, and the end ends a build, too", {
  timeout: BUILDS_MS_MAX,
}, async () => {
  project.save("this is no Rust");
  await using running = new RunningDev(project.folder);
  await running.says("nothing serves yet; save to try again");
  for (let round = 1; round <= 5; round++) {
    project.save(`${project.source}\n// ${round}\n`);
    // The first one begins a build, and the others come during it.
    if (round === 1) await waitFor("a build begins", () => running.count("· building") === 2);
  }
  await waitFor("the last build is over", () => running.count("· built in") === 2, 25_000);
  expect(running.count("· building"), "more than one build came after the one under way").toBe(3);

  const from = running.text.length;
  project.save(`${project.source}\n// at the end\n`);
  await running.says("Compiling", from);
  expect(project.processes).toContain("cargo");
  expect(await running.end("SIGTERM")).toBe(0);
  await waitFor("nothing is left", () => project.processes.length === 0);
});

test("what is asked for during a build is one more after it, and none after the end", async () => {
  const begun: PromiseWithResolvers<void>[] = [];
  const queue = new BuildQueue(() => {
    const build = Promise.withResolvers<void>();
    begun.push(build);
    return build.promise;
  });
  for (let count = 0; count < 4; count++) queue.ask();
  begun[0]?.resolve();
  await waitFor("a second build begins", () => begun.length === 2);
  queue.ask();
  const closed = queue.close();
  begun[1]?.resolve();
  await closed;
  expect(begun.length).toBe(2);
});

describe("options and keys", () => {
  let upstream: ReturnType<typeof createServer>;
  let url: string;

  beforeAll(async () => {
    project.save(project.source);
    upstream = createServer((_, response) => response.end("one.example"));
    upstream.listen(0, "127.0.0.1");
    await once(upstream, "listening");
    url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  });

  afterAll(() => upstream.close());

  test("without sluice.yaml there is a configuration of its own, and --upstream and --config are in it", async () => {
    const config = { find: "one", replace: "another", types: [""] };
    renameSync(join(project.folder, "sluice.yaml"), join(project.folder, "other.yaml"));
    try {
      await using running = await RunningDev.serving(
        project.folder,
        "--upstream",
        url,
        "--config",
        JSON.stringify(config),
      );
      expect(running.text).toContain("a minimal configuration, as there is no sluice.yaml");
      expect(await (await running.get("/")).text()).toBe("another.example");
    } finally {
      renameSync(join(project.folder, "other.yaml"), join(project.folder, "sluice.yaml"));
    }
  });

  test.skipIf(process.platform !== "linux")(
    "on a terminal keys clear, rebuild, profile and quit, and the terminal is given back",
    async () => {
      const command = `cd ${project.folder} && exec ${process.execPath} ${MAIN} dev --port 0`;
      await using terminal = new Terminal(command, { ...process.env, ...CARGO });
      await terminal.shows("c clears, r rebuilds, p profiles, q quits");
      await terminal.shows("generation 1 serves it");
      terminal.type("r");
      await terminal.shows("the component is the one that serves");
      terminal.type("p");
      await terminal.shows("p ends it sooner");
      const address = /serves (http:\/\/\S+) /.exec(terminal.text)?.[1] ?? "";
      for (let count = 0; count < 200; count++) await (await fetch(address)).text();
      terminal.type("p");
      await terminal.shows(".cpuprofile");
      terminal.type("c");
      await terminal.shows("\u001B[2J");
      terminal.type("q");

      expect(await terminal.end()).toBe(0);
      const file = /profile: (\S+\.cpuprofile)/.exec(terminal.text)?.[1] ?? "";
      const { nodes } = JSON.parse(readFileSync(file, "utf8")) as Profile;
      rmSync(file);
      const names = nodes.map(({ callFrame }) => callFrame.functionName);
      expect(
        names.filter((name) => /dev_body::/.test(name)),
        "no function has a name of Rust's",
      ).not.toEqual([]);
    },
  );
});

interface Profile {
  readonly nodes: readonly { readonly callFrame: { readonly functionName: string } }[];
}

describe.concurrent("refused with a sentence", () => {
  test("a folder that is no project", async () => {
    const cwd = mkdtempSync(join(tmpdir(), "sluice-dev-"));
    try {
      const { code, stderr } = await sluice(["dev", "--port", "0"], { cwd });
      expect({ code, stderr }).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^sluice: cargo refuses/),
      });
    } finally {
      rmSync(cwd, { recursive: true });
    }
  });

  test.each([
    [{ port: "x" }, "--port takes a port from 0 to 65535, and x is none."],
    [
      { port: "0", upstream: "localhost:1" },
      "--upstream takes the URL of a server, like http://127.0.0.1:9000, and got localhost:1.",
    ],
  ])("%j", async (options, sentence) => {
    await expect(dev(options)).rejects.toThrow(new KitError(sentence));
  });

  test("a port that another program has", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const port = String((other.address() as AddressInfo).port);
    await expect(dev({ port })).rejects.toThrow(
      `Port ${port} on 127.0.0.1 cannot be used: another program listens there.`,
    );
    other.close();
  });

  test("a configuration without the project's filter is said, and waited for", async () => {
    const file = join(project.folder, "without.yaml");
    writeFileSync(
      file,
      'listen: ["127.0.0.1:0"]\nupstreams: { main: { servers: ["http://127.0.0.1:9"] } }\nroutes: [{ upstream: main }]\n',
    );
    await using running = new RunningDev(project.folder, "-c", "without.yaml");
    await running.says("has no filter of this project");
    await running.says("nothing serves yet; save to try again");
    expect(existsSync(file)).toBe(true);
    rmSync(file);
    expect(await running.end("SIGINT")).toBe(0);
  });
});
