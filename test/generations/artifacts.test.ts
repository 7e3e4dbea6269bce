/** Bad artifacts, from wherever and by whichever way: each is refused with a sentence of its own, and what runs goes on. */
import assert from "node:assert/strict";
import { createPrivateKey, type KeyObject } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { componentWit } from "@bytecodealliance/jco-transpile/wasm-tools";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseConfig } from "../../host/config/parse.ts";
import type { Refusal } from "../../host/control/control.ts";
import { digestOf } from "../../host/filter/component-store.ts";
import { worldOf } from "../../host/filter/world.ts";
import { Host } from "../../host/host.ts";
import { createLog } from "../../host/ops/log.ts";
import type { LogLine, TestHost } from "../support/test-host.ts";
import { waitFor } from "../support/waiting.ts";
import { TestRegistries } from "../oci/registries.ts";
import { INSTALL, registryProgram, RegistryServer } from "../oci/registry-server.ts";
import { type KeyFiles, writeKeys } from "../trust/keys.ts";
import { BAD, type BadArtifact, BYTES_MAX, FILTER, signed } from "./bad-artifacts.ts";
import { markOf, Place, refusal } from "./changing.ts";

const program = await registryProgram();
const WORLD = worldOf(await componentWit(FILTER));

let folder: string;
let store: string;
let place: Place;
let host: TestHost;
let keys: KeyFiles;
let key: KeyObject;
let made = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-artifacts-"));
  store = join(folder, "store");
  keys = writeKeys(folder, "release", "ed25519");
  key = createPrivateKey(readFileSync(keys.private));
  put(join(folder, "good"), FILTER, signed(FILTER, key));
  place = await Place.make();
  host = await place.start({ rest: restOf() });
});

afterAll(async () => {
  await place[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** The table's configuration, with something else for one of its filters. */
function restOf(filter?: string, instead?: object): object {
  const component = join(folder, "good", "mark.wasm");
  const filters: Record<string, object> = {
    mark: { component, config: { mark: "one" } },
    signed: { component, config: { mark: "two" }, verify: { keys: [keys.public] } },
  };
  if (filter !== undefined) filters[filter] = { ...filters[filter], ...instead };
  return {
    workers: 1,
    artifacts: store,
    limits: { "component-bytes": BYTES_MAX },
    filters,
    routes: [{ upstream: "main", filters: ["mark", "signed"] }],
  };
}

/** Puts a component into a folder of its own, with its signature beside it. Gives the file. */
function put(at: string, bytes: Buffer, signature?: string, name = "mark.wasm"): string {
  mkdirSync(at, { recursive: true });
  const file = join(at, name);
  writeFileSync(file, bytes);
  if (signature !== undefined) writeFileSync(`${file}.sig`, signature);
  return file;
}

/** What the configuration says where it is, and what sentences say of it. */
interface Put {
  readonly component: string;
  readonly place: string;
  readonly signature: string;
}

type Putting = (bad: BadArtifact, bytes: Buffer, signature: string | undefined) => Put | Promise<Put>;

function asFile(_: BadArtifact, bytes: Buffer, signature: string | undefined): Put {
  const file = put(join(folder, String((made += 1))), bytes, signature, "bad.wasm");
  return { component: file, place: file, signature: "bad.wasm.sig" };
}

function inFolder({ filter }: BadArtifact, bytes: Buffer, signature: string | undefined): Put {
  const at = join(folder, String((made += 1)));
  const file = put(at, bytes, signature, `${filter}.wasm`);
  return { component: at, place: file, signature: `${filter}.wasm.sig` };
}

/** The sentence as it must be, in which others have worded what stands for a star. */
function expected({ sentence }: BadArtifact, { place: at, signature }: Put, digest: string): RegExp {
  const whole = sentence
    .replaceAll("PLACE", at)
    .replaceAll("SIGNATURE", signature)
    .replaceAll("DIGEST", digest)
    .replaceAll("KEY", keys.public);
  const pattern = whole
    .split("*")
    .map((part) => RegExp.escape(part))
    .join("[^]+");
  return new RegExp(`^${pattern}(; the version that runs does not import it)?$`);
}

/** Tries it as a swap, a reload and a start. */
async function expectRefused(bad: BadArtifact, putting: Putting): Promise<void> {
  const bytes = await bad.bytes();
  const digest = digestOf(bytes);
  const at = await putting(bad, bytes, bad.signature?.(bytes, key));
  const sentence = expected(bad, at, digest);
  const before = host.host.status();
  const counts = await counted();
  const lines = host.log().length;

  const { component } = at;
  const { filter, sha256, code } = bad;
  const swap = await refusal(host.host.swap(filter, { component, ...(sha256 !== undefined && { sha256 }) }));
  expectRefusal(swap, code, sentence);
  expect(swap.message.includes("; the version that runs does not import it")).toBe(code === "GRANT_MISSING");
  const text = place.text({ rest: restOf(filter, { component, sha256 }) });
  const reload = await refusal(host.host.apply(text));
  expectRefusal(reload, code, sentence);
  const start = await refusal(started(text));
  expectRefusal(start, code, sentence);

  expect(host.host.status(), "something has changed all the same").toEqual(before);
  const { swaps, reloads } = await counted();
  expect({ swaps, reloads }).toEqual({ swaps: counts.swaps + 1, reloads: counts.reloads + 1 });
  await expectLogged(`swap refused: ${swap.message}`, lines);
  await expectLogged(`reload refused: ${reload.message}`, lines);
  const isKept = existsSync(join(store, "sha256", digest));
  expect(isKept && bad.good !== true, "it is kept for a later load").toBe(false);
}

function expectRefusal({ code, message }: Refusal, wanted: string, sentence: RegExp): void {
  expect({ code, message }).toEqual({ code: wanted, message: expect.stringMatching(sentence) });
}

async function counted(): Promise<{ swaps: number; reloads: number }> {
  return {
    swaps: await host.metric('sluice_swaps_total{result="refused"}'),
    reloads: await host.metric('sluice_reloads_total{result="refused"}'),
  };
}

/** Once, among the lines that came after so many. */
async function expectLogged(sentence: string, after: number): Promise<void> {
  const lines = (): LogLine[] => host.log().slice(after);
  await waitFor(sentence, () => lines().some(({ msg }) => msg === sentence));
  expect(lines().filter(({ msg }) => msg === sentence)).toHaveLength(1);
}

/** Another host, on the same store. */
async function started(text: string): Promise<void> {
  const log = createLog({ level: "info", destination: join(folder, "log") });
  const other = await Host.start(parseConfig(text, place.file, process.env), log);
  await other.force();
}

test("no two of these refusals say the same", () => {
  const sentences = BAD.map(({ sentence }) => sentence);
  expect(new Set(sentences).size).toBe(sentences.length);
});

describe("from a file it is refused:", () => {
  test.each(BAD)("$title", async (bad) => {
    await expectRefused(bad, asFile);
    expect(await markOf(host), "what ran does not serve any more").toBe("one");
  });

  test.each<[string, () => string, string]>([
    ["a file that is not there", () => join(folder, "none.wasm"), "PLACE cannot be read (ENOENT)"],
    ["a device", () => "/dev/zero", "PLACE is no file with a component"],
  ])("%s", async (_, make, sentence) => {
    const file = make();
    const { code, message } = await refusal(host.host.swap("mark", { component: file }));
    expect([code, message]).toEqual(["ARTIFACT_REFUSED", sentence.replace("PLACE", file)]);
  });
});

describe("from a folder it is refused:", () => {
  test.each(BAD)("$title", async (bad) => {
    await expectRefused(bad, inFolder);
    expect(await markOf(host), "what ran does not serve any more").toBe("one");
  });

  test.each<[string, readonly string[], string]>([
    ["nothing", [], "the folder FOLDER has no component for it"],
    ["nothing but what is for debuggers", ["a.debug.wasm"], "the folder FOLDER has no component for it"],
    [
      "two components of other names",
      ["b.wasm", "a.wasm"],
      "the folder FOLDER has 2 components, and none is named for mark: a.wasm, b.wasm",
    ],
    [
      "many components of other names",
      ["f", "e", "d", "c", "b", "a"].map((name) => `${name}.wasm`),
      "the folder FOLDER has 6 components, and none is named for mark: a.wasm, b.wasm, c.wasm, d.wasm, e.wasm, more",
    ],
  ])("%s", async (_, names, why) => {
    const at = join(folder, String((made += 1)));
    mkdirSync(at);
    for (const name of names) put(at, FILTER, undefined, name);
    const sentence = `${join(at, "mark.wasm")} cannot be read (ENOENT): ${why.replace("FOLDER", at)}`;
    const text = place.text({ rest: restOf("mark", { component: at }) });
    for (const change of [host.host.swap("mark", { component: at }), host.host.apply(text), started(text)]) {
      const { code, message } = await refusal(change);
      expect([code, message]).toEqual(["ARTIFACT_REFUSED", sentence]);
    }
    expect(await markOf(host)).toBe("one");
  });
});

describe.skipIf(program === undefined && process.env["CI"] === undefined)(
  `from a registry it is refused (needs: ${INSTALL}):`,
  () => {
    let server: RegistryServer;
    let registries: TestRegistries;

    beforeAll(async () => {
      assert(program !== undefined, `the registry is missing: ${INSTALL}`);
      server = await RegistryServer.start(program);
      registries = new TestRegistries();
    });

    afterAll(async () => {
      await registries.close();
      await server[Symbol.asyncDispose]();
    });

    /** Its config says that it is a filter like others, whatever it is. */
    async function inRegistry(_: BadArtifact, bytes: Buffer, text: string | undefined): Promise<Put> {
      const reference = `oci://${server.host}/bad/${(made += 1)}:1`;
      const signatures = text === undefined ? [] : [{ kind: "key", text } as const];
      await registries.push(reference, { component: bytes, world: WORLD, signatures, createdAt: undefined });
      return { component: reference, place: reference, signature: reference };
    }

    test.each(BAD)("$title", async (bad) => {
      await expectRefused(bad, inRegistry);
      expect(await markOf(host), "what ran does not serve any more").toBe("one");
    });

    test("a manifest of another digest than the reference has, and a tag that is not there", async () => {
      const { component } = await inRegistry({} as BadArtifact, FILTER, undefined);
      const none = `${component.slice(0, -2)}@sha256:${"0".repeat(64)}`;
      for (const reference of [none, `${component}.1`]) {
        const { code, message } = await refusal(host.host.swap("mark", { component: reference }));
        const sentence = `${reference} cannot be read: ${server.host} has no such artifact`;
        expect([code, message]).toEqual(["ARTIFACT_REFUSED", sentence]);
      }
    });
  },
);
