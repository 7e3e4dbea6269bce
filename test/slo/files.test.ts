/** What `sluice slo init` writes: rules, their tests, a dashboard. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { type Outcome, sluice } from "../cli/command.ts";
import { INSTALL, promtool } from "../ops/promtool.ts";
import { misread, unknownIn } from "./queries.ts";

const DEPLOY = join(import.meta.dirname, "../../deploy/slo");
const NAMES = ["sluice-slo.rules.yml", "sluice-slo.tests.yml", "sluice.dashboard.json"] as const;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-slo-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

const read = (name: string, from: string = folder): string => readFileSync(join(from, name), "utf8");

function init(...words: string[]): Promise<Outcome> {
  return sluice(["slo", "init", ...words], { cwd: folder });
}

function writeConfig(...slos: unknown[]): void {
  const config = {
    listen: ["127.0.0.1:0"],
    upstreams: { main: { servers: ["http://127.0.0.1:9000"] } },
    routes: slos.map((slo, at) => ({ name: `r${at}`, match: { path: `/${at}` }, upstream: "main", slo })),
  };
  // JSON is YAML.
  writeFileSync(join(folder, "sluice.yaml"), JSON.stringify(config));
}

describe("the command", () => {
  test("writes what deploy/slo has, from the configuration that is there", async () => {
    const { stdout, stderr, code } = await init("-c", join(DEPLOY, "sluice.yaml"), "--out", "new/folder");

    expect([stderr, code]).toEqual(["", 0]);
    expect(stdout).toBe(NAMES.map((name) => `new/folder/${name}: written\n`).join(""));
    for (const name of NAMES)
      expect(
        read(join("new/folder", name)),
        `${name}: sluice slo init -c deploy/slo/sluice.yaml --out deploy/slo --force`,
      ).toBe(read(name, DEPLOY));
    expect(readdirSync(DEPLOY).toSorted()).toEqual([...NAMES, "sluice.yaml"].toSorted());
  });

  test("overwrites nothing that differs unless it is told to, and then writes nothing at all", async () => {
    writeConfig({ availability: "99%" });
    writeFileSync(join(folder, NAMES[1]), "mine");

    const refused = await init();
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toBe(
      "sluice: sluice-slo.tests.yml differs from what would be written; --force overwrites.\n",
    );
    expect(readdirSync(folder).toSorted()).toEqual([NAMES[1], "sluice.yaml"].toSorted());
    expect(read(NAMES[1])).toBe("mine");
    expect(JSON.parse((await init("--json")).stdout)).toEqual({ files: [], differing: [NAMES[1]] });

    expect((await init("--force")).code).toBe(0);
    expect(read(NAMES[1])).toContain("availability of route r0");
    expect(JSON.parse((await init("--json")).stdout)).toEqual({
      files: NAMES.map((path) => ({ path, state: "unchanged" })),
      differing: [],
    });
  });

  test("says so when nothing is asked of any route, and where the configuration is wrong", async () => {
    writeConfig("none");
    expect(await init()).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "sluice: sluice.yaml asks nothing of any route: an slo says how well one has to serve (docs/slo.md).\n",
    });

    writeConfig({ availability: "99" });
    expect((await init()).stderr).toMatch(
      /^sluice\.yaml:1:\d+ routes\[0\]\.slo\.availability: expected a share/,
    );
  });
});

const tool = promtool();
const skipped = tool === undefined && process.env["CI"] === undefined;

function prom(words: readonly string[], cwd: string): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(tool ?? "promtool", words, { cwd, encoding: "utf8" });
  return { status, said: stdout + stderr };
}

describe.skipIf(skipped)(`promtool (needs: ${INSTALL})`, () => {
  test("finds nothing wrong with the rules of deploy/slo, and their tests pass", { timeout: 120_000 }, () => {
    expect(tool, `promtool is missing: ${INSTALL}`).toBeDefined();
    expect(prom(["check", "rules", "--lint-fatal", NAMES[0]], DEPLOY)).toMatchObject({ status: 0 });
    expect(prom(["test", "rules", NAMES[1]], DEPLOY)).toMatchObject({ status: 0 });
  });

  test("their tests fail when the rules are others", { timeout: 120_000 }, async () => {
    // Of 90 % not even a total failure burns 14.4 times as fast as it may: what cannot be is not tested.
    writeConfig({ availability: "95%" }, { latency: { under: "1s", share: "90%" }, window: "7d" });
    await init();
    expect(prom(["test", "rules", NAMES[1]], folder)).toMatchObject({ status: 0 });

    const rules = read(NAMES[0]);
    for (const [from, to] of [
      ["6 * sluice", "60 * sluice"],
      ["and\n          sluice:slo_bad:ratio_rate2h", "or\n          sluice:slo_bad:ratio_rate2h"],
      ["bad_exchanges_total[5m]", "exchanges_total[5m]"],
    ] as const) {
      expect(rules).toContain(from);
      mkdirSync(join(folder, "broken"), { recursive: true });
      cpSync(join(folder, NAMES[1]), join(folder, "broken", NAMES[1]));
      writeFileSync(join(folder, "broken", NAMES[0]), rules.replaceAll(from, to));
      const { status, said } = prom(["test", "rules", NAMES[1]], join(folder, "broken"));
      expect({ from, status, said }).toMatchObject({
        from,
        status: 1,
        said: expect.stringContaining("FAILED"),
      });
    }
  });
});

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
}

describe("the dashboard", () => {
  const text = read(NAMES[2], DEPLOY);
  const { panels, templating, annotations } = JSON.parse(text) as Dashboard;
  const queries = [
    ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...annotations.list.map(({ expr }) => expr),
    ...templating.list.map(({ query }) => JSON.stringify(query)),
  ];

  test("asks for nothing but what the host exports and the rules record, by its own labels", () => {
    const { groups } = parseYaml(read(NAMES[0], DEPLOY)) as {
      groups: { rules: { record?: string }[] }[];
    };
    const records = groups.flatMap(({ rules }) => rules.flatMap(({ record }) => record ?? []));
    expect(queries.length).toBeGreaterThan(30);
    expect(unknownIn(queries, records)).toEqual([]);
  });

  test.skipIf(skipped)(`has queries that promtool understands (needs: ${INSTALL})`, () => {
    const filled = queries
      .filter((query) => !query.includes("label_values") && query !== JSON.stringify("prometheus"))
      .map((query) => query.replaceAll(/\$__\w+/g, "5m").replaceAll(/\$\w+/g, ".*"));
    expect(misread(tool ?? "", filled)).toBe("");
  });

  test("has panels with something in them that do not overlap, each with an id of its own", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(panels.filter(({ type, targets = [] }) => type !== "row" && targets.length === 0)).toEqual([]);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
  });

  test("uses the variables that it has, and loads nothing from anywhere", () => {
    const names = new Set([
      ...templating.list.map(({ name }) => name),
      "__interval",
      "__rate_interval",
      "__all",
    ]);
    const used = [...text.matchAll(/\$\{?(\w+)/g)].map(([, name = ""]) => name);
    expect(used.filter((name) => !names.has(name))).toEqual([]);
    expect(text).not.toMatch(/https?:\/\//);
  });
});
