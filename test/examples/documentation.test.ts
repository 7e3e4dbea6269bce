import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createLog, Host, parseConfig } from "../../host/index.ts";
import { readCases } from "../../host/kit/case-file.ts";
import { runSuite } from "../../host/kit/case-suite.ts";
import { Kit } from "../../host/kit/engine.ts";
import { witReference } from "../../scripts/write-wit-reference.ts";
import { COMPILED, component } from "../kit/kit.ts";
import { curl, npxSluice, ROOT, RunningQuickstart, words } from "./running-quickstart.ts";

const README = read("README.md");
const WRITING = read("docs/filters/writing.md");
const COOKBOOK = read("docs/filters/cookbook.md");

test("the README's first filter is the one in examples/first-filter, which cargo test runs", () => {
  expect(blocks(README, "toml")).toEqual([read("examples/first-filter/Cargo.toml")]);
  expect(blocks(README, "rust")).toEqual([read("examples/first-filter/src/lib.rs")]);
});

test("the code of writing.md stands in the tests of examples/first-filter", () => {
  const folder = "examples/first-filter/tests";
  const sources = readdirSync(join(ROOT, folder)).map((file) => read(`${folder}/${file}`));

  const blocksThere = blocks(WRITING, "rust");
  expect(blocksThere.length).toBeGreaterThan(0);
  expect(blocksThere.filter((block) => !sources.some((source) => source.includes(block)))).toEqual([]);
});

test("the filters of cookbook.md are those in examples/cookbook, which cargo test runs", () => {
  const folder = "examples/cookbook/src";
  const others = ["lib.rs", "proxy_wasm.rs"];
  const sources = readdirSync(join(ROOT, folder)).filter((file) => !others.includes(file));

  expect(blocks(COOKBOOK, "rust").sort()).toEqual(sources.map((file) => read(`${folder}/${file}`)).sort());
});

test("the cookbook's component passes the case that the page has, in whatever way it is run", async () => {
  const file = "examples/cookbook/cases/keys.yaml";
  expect(blocks(COOKBOOK, "yaml")).toEqual([read(file)]);
  const kit = new Kit(COMPILED);
  try {
    const options = { component: component("cookbook"), update: false, invariance: true };
    const report = await runSuite(kit, readCases(read(file), join(ROOT, file)), options, () => {});

    expect(report.results.map(({ differences, violations }) => ({ differences, violations }))).toEqual([
      { differences: [], violations: [] },
    ]);
    expect(report.runs).toBeGreaterThan(100);
  } finally {
    await kit.close();
  }
});

test("the code of proxy-wasm.md that is Sluice's is in examples/cookbook", () => {
  const [theirs, ours = "", ...others] = blocks(read("docs/filters/proxy-wasm.md"), "rust");
  expect([theirs?.split("\n")[0], others]).toEqual(["// proxy-wasm", []]);
  expect(read("examples/cookbook/src/proxy_wasm.rs")).toContain(ours);
});

test("wit.md is what the comments in wit/ say, and its links lead somewhere", () => {
  const page = read("docs/filters/wit.md");
  expect(page, "npx node scripts/write-wit-reference.ts writes it anew").toBe(witReference());

  const anchors = Array.from(page.matchAll(/<a id="([^"]+)">/g), ([, id]) => id);
  const targets = Array.from(page.matchAll(/\]\(#([^)]+)\)/g), ([, id]) => id);
  expect(targets.filter((id) => !anchors.includes(id))).toEqual([]);
  expect(new Set(anchors).size, "an anchor is there twice").toBe(anchors.length);
});

test("the README's commands put the first filter into the quickstart, and do what it says", {
  timeout: 150_000,
}, async () => {
  const commands = blocks(README, "console")
    .join("")
    .matchAll(/^\$ (?:npx|curl) .*$/gm);
  const [swap = [], withCurl = [], withFirefox = []] = Array.from(commands, ([line]) => words(line.slice(2)));
  await using quickstart = await RunningQuickstart.serving();
  const here = (command: readonly string[]): string[] =>
    command.map((word) => word.replace("127.0.0.1:8080", quickstart.listen));

  const { stdout } = await npxSluice([...swap, "--admin", quickstart.admin]);
  expect(stdout).toMatch(/^headers: [0-9a-f]{12} → [0-9a-f]{12} with a new config, generation 2, \d+ ms\n$/);
  const refused = await curl(here(withCurl));
  expect([refused.status, await refused.text()]).toEqual([403, "Not with this client.\n"]);
  expect((await curl(here(withFirefox))).status).toBe(200);

  const broken = swap.map((word) => word.replace('["curl"]', '[""]'));
  await expect(npxSluice([...broken, "--admin", quickstart.admin])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("config.refuse: every client begins with an empty name"),
  });
  expect((await curl(here(withCurl))).status, "the version before still serves").toBe(403);
});

const YAML_BLOCKS = readdirSync(join(ROOT, "docs/filters")).flatMap((file) =>
  blocks(read(`docs/filters/${file}`), "yaml").map((yaml) => [file, yaml] as const),
);
/** A case begins with its name, and no configuration does. */
const isCase = (yaml: string): boolean => yaml.startsWith("name:");

test("the cases in docs/filters/ are cases", () => {
  const examples = YAML_BLOCKS.filter(([, yaml]) => isCase(yaml));
  expect(examples.length).toBeGreaterThan(0);
  for (const [file, yaml] of examples)
    expect(readCases(yaml, `docs/filters/${file}`).length).toBeGreaterThan(0);
});

describe("the configurations in docs/filters/ load", () => {
  afterEach(() => vi.unstubAllEnvs());

  test.each(YAML_BLOCKS.filter(([, yaml]) => !isCase(yaml)))("%s", async (_, yaml) => {
    // An example may leave out the upstreams that it names, and then these are there.
    const upstreams = /^upstreams:$/m.test(yaml)
      ? ""
      : `
upstreams:
  authz: { servers: ["http://127.0.0.1:9"] }
  idp: { servers: ["http://127.0.0.1:9"] }
`;
    const rest = `
listen: ["127.0.0.1:0"]
admin: false
${upstreams}
routes: [{ upstream: authz }]
`;
    const secrets = Array.from(yaml.matchAll(/\{ env: (\w+) \}/g), ([, name = ""]) => name);
    for (const name of secrets) vi.stubEnv(name, "0123456789abcdef0123456789abcdef");
    // The folder that the components' paths start from.
    const config = parseConfig(yaml + rest, join(ROOT, ".sluice", "example.yaml"), process.env);
    const log = createLog({ level: "warn", destination: 2 });

    const prepared = await Host.check({ ...config, artifacts: join(ROOT, ".sluice", "store") }, log);

    expect(prepared.map(({ name }) => name)).toEqual(config.filters.map(({ name }) => name));
  });
});

test("every link from one page to another leads somewhere", () => {
  const docs = readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" });
  const pages = [
    "README.md",
    "CHANGELOG.md",
    ...docs.filter((file) => file.endsWith(".md")).map((file) => `docs/${file}`),
  ];
  const dead = pages.flatMap((page) =>
    Array.from(read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g), ([, target = ""]) => target)
      .filter((target) => !existsSync(join(ROOT, dirname(page), target)))
      .map((target) => `${page} links to ${target}`),
  );
  expect(dead).toEqual([]);
});

/** The contents of a page's fenced blocks in this language. */
function blocks(page: string, language: string): string[] {
  return Array.from(
    page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm")),
    ([, block = ""]) => block,
  );
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}
