import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, matchesGlob } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Desk } from "../control/desk.ts";
import { sluice } from "./command.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

let desk: Desk;

beforeEach(() => {
  desk = new Desk();
});

afterEach(() => desk.close());

/** The words of a command as they are when the file is another one. */
function withConfig(words: readonly string[], file: string): string[] {
  return words.map((word) => (word === "/etc/sluice/sluice.yaml" ? file : word));
}

function writeConfig(admin: string): string {
  const file = join(desk.folder, "sluice.yaml");
  const config = {
    listen: ["127.0.0.1:0"],
    admin,
    upstreams: { api: { servers: ["http://127.0.0.1:9000"] } },
    routes: [{ match: { path: "/*" }, upstream: "api" }],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** What a person types who wants systemd's own opinion of its units. */
const INSTALL = "apt-get install -y --no-install-recommends systemd";
const SYSTEMD = spawnSync("systemd-analyze", ["--version"], { stdio: "ignore" }).status === 0;

describe("the units of systemd", () => {
  const unit = read("deploy/sluice.service");

  test.skipIf(!SYSTEMD && process.env["CI"] !== "true")(
    `systemd finds nothing wrong with them (${INSTALL})`,
    () => {
      const folder = mkdtempSync(join(tmpdir(), "sluice-units-"));
      try {
        // It looks for the commands, which on this machine are elsewhere.
        writeFileSync(join(folder, "sluice.service"), unit.replaceAll("/usr/bin/node", process.execPath));
        writeFileSync(join(folder, "sluice.socket"), read("deploy/sluice.socket"));
        const units = ["sluice.service", "sluice.socket"].map((name) => join(folder, name));

        const verified = spawnSync("systemd-analyze", ["verify", "--man=no", ...units], { encoding: "utf8" });

        expect(verified.error, INSTALL).toBeUndefined();
        expect(verified.stderr).toBe("");
        expect(verified.status).toBe(0);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );

  test("their commands are ones that there are", async () => {
    // A configuration that each command refuses only after it has understood its options.
    const file = writeConfig("nowhere");
    for (const option of ["ExecStart", "ExecReload"]) {
      const [node, script, ...words] = (new RegExp(`^${option}=(.*)$`, "m").exec(unit)?.[1] ?? "").split(" ");
      expect([node, script]).toEqual(["/usr/bin/node", "/usr/lib/node_modules/sluice/bin/sluice.js"]);
      const { code, stderr } = await sluice(withConfig(words, file), { cwd: desk.folder });
      expect(stderr, option).toMatch(/sluice\.yaml(:1:\d+ admin: | is refused)/);
      expect(code).toBe(1);
    }
  });

  test("memory may be executed that was written: otherwise no filter runs", () => {
    expect(unit).toMatch(/^MemoryDenyWriteExecute=no$/m);
  });
});

describe("the Containerfile", () => {
  /** Each instruction with its arguments; continued lines are one. */
  const instructions = Array.from(
    read("deploy/Containerfile")
      .replaceAll(/^#.*\n/gm, "")
      .replaceAll(/\\\n\s*/g, " ")
      .matchAll(/^([A-Z]+) (.*)$/gm),
    ([, name = "", words = ""]) => [name, words] as const,
  );
  const all = (wanted: string): string[] =>
    instructions.flatMap(([name, words]) => (name === wanted ? [words] : []));
  const one = (wanted: string): string => {
    const found = all(wanted);
    expect(found, wanted).toHaveLength(1);
    return found[0] ?? "";
  };
  const wordsOf = (json: string): string[] => JSON.parse(json) as string[];

  test("its base is an argument, and nothing of it runs as root", () => {
    expect(one("FROM")).toBe("${BASE}");
    expect(one("ARG")).toMatch(/^BASE=node:26/);
    expect(one("USER")).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    const uid = one("USER").split(":")[0];
    expect(all("RUN").some((run) => run.includes(`--uid ${uid} `))).toBe(true);
    const order = instructions.map(([name]) => name);
    expect(order.lastIndexOf("RUN"), "what it runs to be built needs root").toBeLessThan(
      order.indexOf("USER"),
    );
  });

  test("what it copies is what npm pack makes, and the package has what it starts", () => {
    const packed = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      cwd: ROOT,
      encoding: "utf8",
      env: { ...process.env, npm_config_loglevel: "error" },
    });
    const [report] = JSON.parse(packed.stdout) as [
      { readonly filename: string; readonly files: readonly { readonly path: string }[] },
    ];
    const [source = "", target = ""] = one("COPY").split(" ");

    expect(matchesGlob(report.filename, source), `${report.filename} is not ${source}`).toBe(true);
    expect(all("RUN")[0]).toContain(` ${target} `);
    const paths = report.files.map(({ path }) => path);
    const manifest = JSON.parse(read("package.json")) as { bin: Record<string, string>; files: string[] };
    expect(paths).toContain(manifest.bin["sluice"]);
    // It is built when it is packed, which a dry run does not do.
    expect(manifest.files).toContain("dist");
    expect(wordsOf(one("ENTRYPOINT"))).toEqual(["sluice"]);
  });

  test("the shell understands what it runs", () => {
    for (const run of all("RUN")) {
      const { stderr, status } = spawnSync("sh", ["-n", "-c", run], { encoding: "utf8" });
      expect(stderr).toBe("");
      expect(status).toBe(0);
    }
  });

  test("its health check tells a host that serves from one that does not", async () => {
    const [command, ...words] = wordsOf(/ CMD (\[.*\])$/.exec(one("HEALTHCHECK"))?.[1] ?? "[]");
    expect(command).toBe("sluice");
    const admin = await desk.start();
    const file = writeConfig(admin.address);

    expect(await sluice(withConfig(words, file), { cwd: "/" })).toMatchObject({ code: 0 });
    desk.control.ready = false;
    expect(await sluice(withConfig(words, file), { cwd: "/" })).toMatchObject({ code: 1 });
    await admin.close();
    expect(await sluice(withConfig(words, file), { cwd: "/" })).toMatchObject({ code: 1 });
  });

  test("what it starts is sluice run with its file", async () => {
    const file = writeConfig("nowhere");

    const { stderr } = await sluice(withConfig(wordsOf(one("CMD")), file), { cwd: "/" });

    expect(stderr).toMatch(/sluice\.yaml:1:\d+ admin: /);
  });
});
