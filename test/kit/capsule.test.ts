/** Failures in a host that are kept with what led to them, and happen again without one. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "../../host/config/config.ts";
import { readCaseFiles } from "../../host/kit/case-file.ts";
import { runSuite } from "../../host/kit/case-suite.ts";
import { CapsuleFolder } from "../../host/record/capsule-folder.ts";
import { Kit } from "../../host/kit/engine.ts";
import { replaySettings } from "../../host/kit/replay-host.ts";
import { Replay, type ReplayedFailure } from "../../host/kit/replay.ts";
import { type RecordFile, readRecordFile } from "../../host/record/record-reader.ts";
import { sluice } from "../cli/command.ts";
import { request } from "../support/raw-client.ts";
import { component, startProxy, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { COMPILED } from "./kit.ts";
import { found, SENTINELS, telling } from "./recorded.ts";

let upstream: Upstream;
let host: TestHost;
let folder: string;
const kit = new Kit(COMPILED);

const trap = (phase?: string): object => ({
  component: component("trap"),
  config: phase === undefined ? {} : { phase },
});

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-capsule-"));
  writeFileSync(join(folder, "secret"), SENTINELS.secret);
  upstream = await Upstream.start(() => ok(SENTINELS.body, [`X-Answer: ${SENTINELS.response}`]));
  host = await startProxy(upstream, {
    workers: 1,
    secrets: { key: { file: join(folder, "secret") } },
    forwarded: { trusted: ["127.0.0.0/8"] },
    capsules: { folder: join(folder, "capsules"), max: 12, headers: ["X-Break", "X-Note"] },
    filters: {
      panic: trap(),
      response: trap(),
      end: trap(),
      drop: trap(),
      overflow: trap(),
      spin: trap(),
      hoard: { ...trap(), limits: { memory: "4MiB" } },
      chunk: trap("request-chunk"),
      body: trap("response-body"),
      broken: trap("request"),
      betrays: {
        component: component("caller"),
        config: { calls: [{ betray: "key" }] },
        grant: {
          clock: true,
          random: true,
          metrics: true,
          store: true,
          "rate-limit": true,
          secrets: ["key"],
        },
      },
      open: { ...trap(), "on-failure": "open" },
    },
    routes: [
      "panic",
      "response",
      "end",
      "drop",
      "overflow",
      "spin",
      "hoard",
      "chunk",
      "body",
      "broken",
      "betrays",
      "open",
    ].map((name) => ({
      match: { host: `${name}.test` },
      filters: [name],
      upstream: "main",
    })),
  });
});

afterAll(async () => {
  await kit.close();
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function written(filter: string): string[] {
  const capsules = join(folder, "capsules");
  if (!existsSync(capsules)) return [];
  return readdirSync(capsules)
    .filter((name) => name.includes(`Z-${filter}-`) && name.endsWith(".json"))
    .map((name) => join(capsules, name));
}

/** Has a filter fail, and gives the capsule that comes of it. */
async function capsule(
  filter: string,
  path: string,
  { fields = [], body = "" }: { readonly fields?: readonly string[]; readonly body?: string } = {},
): Promise<{ file: string; text: string; read: RecordFile }> {
  await using client = await host.connect();
  const method = body === "" ? "GET" : "POST";
  client.send(request(path, fields, method, body).replace("sluice.test", `${filter}.test`));
  await client.response(method).catch(() => {});
  const [file = ""] = await waitFor("the capsule", () => {
    const files = written(filter);
    return files.length > 0 && files;
  });
  const text = readFileSync(file, "utf8");
  return { file, text, read: readRecordFile(text) };
}

async function again(
  read: RecordFile,
  name: string,
  config: Json = read.header.config,
): Promise<ReplayedFailure | undefined> {
  const replay = await Replay.load(kit, component(name), read, replaySettings(read.header, config));
  try {
    return await replay.failure();
  } finally {
    replay.close();
  }
}

/** The innermost ones in the filter's own source. */
function ownPlaces(stack: readonly string[] = []): readonly string[] {
  return stack.filter((place) => /filters\/fixtures\/trap\/src\/lib\.rs:\d+/.test(place)).slice(0, 5);
}

describe("a capsule", () => {
  test.each([
    ["panic", "/panic", "trap", {}],
    ["response", "/panic-response", "trap", {}],
    ["end", "/panic-end", "trap", {}],
    ["drop", "/panic-drop", "trap", {}],
    ["overflow", "/overflow", "stack", {}],
    ["spin", "/spin", "fuel", {}],
    ["hoard", "/hoard", "memory", {}],
    ["chunk", "/a", "trap", { fields: ["X-Break: panic"], body: "some words" }],
    ["body", "/a", "trap", { fields: ["X-Break: panic"] }],
    ["broken", "/a", "contract", { fields: ["X-Break: edit-broken"] }],
    ["open", "/panic", "trap", {}],
  ] as const)(
    "of %s at %s fails again for the same reason (%s), in the same place",
    async (filter, path, reason, sent) => {
      const { read } = await capsule(filter, path, sent);
      expect(read.failure?.reason).toBe(reason);
      const failure = await again(read, "trap");
      expect(failure?.reason).toBe(reason);
      // Engines tell the same place by one byte less or more, and stacks are read to another depth here.
      expect(ownPlaces(failure?.stack)).toEqual(ownPlaces(read.failure?.stack));
      expect(ownPlaces(failure?.stack).length > 0, "its own code is named where it has trapped").toBe(
        reason !== "contract",
      );
    },
  );

  test("has nothing in it of who has sent what, nor a secret that the filter says in its panic", async () => {
    const path = `/a/${SENTINELS.secret}/${SENTINELS.v6}?token=${SENTINELS.query}`;
    const { text, file } = await capsule("betrays", path, {
      fields: telling(SENTINELS.v6),
      body: SENTINELS.body,
    });
    expect(found(text)).toEqual([]);
    expect(text).toContain("from redacted, knows [secret]");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "capsules")).mode & 0o777).toBe(0o700);
    expect(await again(readRecordFile(text), "caller", { calls: [{ betray: "key" }] })).toMatchObject({
      reason: "trap",
    });
  });

  test("is one for many failures of a filter for the same reason", async () => {
    await capsule("panic", "/panic");
    const [before] = written("panic");
    await using client = await host.connect();
    for (let count = 0; count < 5; count++)
      expect((await client.ask(request("/panic").replace("sluice.test", "panic.test"))).status).toBe(500);
    await host.lines("the failures", (line) => line.msg === "filter failed" && line["filter"] === "panic", 6);
    expect(written("panic")).toEqual([before]);
  });

  test("fails again by the command, with file and line, and not with another version", async () => {
    const { file } = await capsule("panic", "/panic");
    const words = ["replay", file, "--artifacts", COMPILED, "--filter"];
    const { code, stdout, stderr } = await sluice([...words, component("trap")], { cwd: folder });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^panic \([0-9a-f]{12}\) has failed \(trap\) in generation 1: GET \/panic$/m);
    expect(stdout).toMatch(/fails so, too: .*\n?.*panicked in on_request/);
    expect(stdout).toMatch(/filters\/fixtures\/trap\/src\/lib\.rs:\d+/);
    const fixed = await sluice([...words, component("mark"), "--config", '{"mark":"v1"}'], { cwd: folder });
    expect([fixed.code, fixed.stdout]).toEqual([2, expect.stringContaining("does not fail")]);
  });

  test("becomes a case that passes as long as the filter fails so", async () => {
    const { file } = await capsule("chunk", "/a", { fields: ["X-Break: panic"], body: "some words" });
    const cases = join(folder, "cases", "chunk.yaml");
    const made = await sluice(["test", "--from", file, "-o", "cases/chunk.yaml"], { cwd: folder });
    expect([made.code, made.stderr]).toEqual([0, "cases/chunk.yaml written\n"]);
    expect(readFileSync(cases, "utf8")).toContain("name: chunk does not fail (trap)");
    const run = async (name: string): Promise<boolean[]> => {
      const options = { component: component(name), update: false, invariance: true };
      const { results } = await runSuite(kit, readCaseFiles([cases]), options, () => {});
      return results.map(({ passed }) => passed);
    };
    expect(await run("trap")).toEqual([true]);
    expect(await run("mark"), "another filter does not fail so").toEqual([false]);
    const twice = await sluice(["test", "--from", file, "-o", "cases/chunk.yaml"], { cwd: folder });
    expect([twice.code, twice.stderr]).toEqual([1, "sluice: cases/chunk.yaml is there already\n"]);
  });
});

test("the folder has so many capsules, and what else lies in it stays", async () => {
  const place = join(folder, "bounded");
  const capsules = new CapsuleFolder();
  const config = { folder: place, filesMax: 3, bytesMax: 4_096, bodies: false, headers: [] };
  await capsules.write(config, { filter: "a", reason: "trap" }, "0");
  writeFileSync(join(place, "notes.json"), "mine");
  for (let count = 1; count < 6; count++)
    await capsules.write(config, { filter: "../up", reason: "trap" }, String(count));
  expect(await capsules.write(config, { filter: "a", reason: "trap" }, "x".repeat(4_097))).toBeUndefined();
  const names = readdirSync(place).toSorted();
  expect(
    names.filter((name) => name !== "notes.json").map((name) => readFileSync(join(place, name), "utf8")),
  ).toEqual(["3", "4", "5"]);
  expect(names).toContain("notes.json");
  expect([
    capsules.admits({ filter: "a", reason: "trap" }),
    capsules.admits({ filter: "a", reason: "trap" }),
  ]).toEqual([true, false]);
  expect(capsules.admits({ filter: "a", reason: "fuel" })).toBe(true);
});
