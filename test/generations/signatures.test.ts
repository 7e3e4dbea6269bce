/** What is signed, from where it is signed to where it serves, and long after its source is gone. */
import assert from "node:assert/strict";
import { createPrivateKey, type KeyObject } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { componentWit } from "@bytecodealliance/jco-transpile/wasm-tools";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf } from "../../host/filter/component-store.ts";
import { worldOf } from "../../host/filter/world.ts";
import { component as built, RunningHost } from "../cli/running-host.ts";
import { TestRegistries } from "../oci/registries.ts";
import { INSTALL, registryProgram, RegistryServer } from "../oci/registry-server.ts";
import { renameOver, variant } from "../support/component-file.ts";
import { component, type TestHost } from "../support/test-host.ts";
import { type KeyFiles, writeKeys } from "../trust/keys.ts";
import { signed } from "./bad-artifacts.ts";
import { markOf, Place, refusal } from "./changing.ts";

const FILTER = readFileSync(component("mark"));
const NEXT = variant(FILTER, "next");
const program = await registryProgram();

const STORE = mkdtempSync(join(tmpdir(), "sluice-signatures-store-"));
afterAll(() => rmSync(STORE, { recursive: true }));

let place: Place;
let file: string;
let old: Signer;
let fresh: Signer;

interface Signer {
  readonly files: KeyFiles;
  readonly key: KeyObject;
}

beforeEach(async () => {
  place = await Place.make();
  [old, fresh] = [signer("old", "ed25519"), signer("fresh", "prime256v1")];
  file = put("mark.wasm", FILTER, old);
});

afterEach(() => place[Symbol.asyncDispose]());

function signer(name: string, kind: string): Signer {
  const files = writeKeys(place.folder, name, kind);
  return { files, key: createPrivateKey(readFileSync(files.private)) };
}

/** Puts a component into the test's folder, and a signature by each of these beside it. */
function put(name: string, bytes: Buffer, ...signers: readonly Signer[]): string {
  const path = join(place.folder, name);
  renameOver(bytes, path);
  if (signers.length > 0) renameOver(signers.map(({ key }) => signed(bytes, key)).join(""), `${path}.sig`);
  return path;
}

interface Parts {
  readonly component?: string;
  readonly mark?: string;
  /** Whose signature is asked for; nobody's when there is none. */
  readonly by?: readonly Signer[];
  readonly filters?: object;
}

function rest({ component: from = file, mark = "one", by = [old], filters }: Parts = {}): object {
  const verify = by.length === 0 ? "none" : { keys: by.map(({ files }) => files.public) };
  return {
    workers: 1,
    artifacts: STORE,
    filters: { mark: { component: from, config: { mark }, verify }, ...filters },
  };
}

function start(parts: Parts = {}): Promise<TestHost> {
  return place.start({ rest: rest(parts) });
}

function apply(host: TestHost, parts: Parts): Promise<unknown> {
  return host.host.apply(place.text({ rest: rest(parts) }));
}

function digest(host: TestHost): string | undefined {
  return host.host.status().filters[0]?.digest;
}

describe("a signature beside a file", () => {
  test("lets it in at a start, a swap and a restart, after which neither needs to be there", async () => {
    const first = await start();
    const next = put("next.wasm", NEXT, old);
    expect((await first.host.swap("mark", { component: next })).to).toBe(digestOf(NEXT));
    await first.host.drain();
    for (const path of [file, next]) for (const gone of [path, `${path}.sig`]) rmSync(gone);
    const second = await start();
    expect([digest(second), second.host.status().generation]).toEqual([digestOf(NEXT), 2]);
    expect(await markOf(second)).toBe("one");
    await second.host.rollback(1);
    expect(digest(second)).toBe(digestOf(FILTER));
  });

  test("may come after the component: that is refused, and taken as soon as its signature is there", async () => {
    const host = await start();
    renameOver(NEXT, file);
    const [line] = await host.lines("the refusal", ({ msg }) => msg.startsWith("swap refused"));
    expect(line).toMatchObject({ filter: "mark", code: "SIGNATURE_REFUSED" });
    expect(line?.msg).toMatch(/mark\.wasm\.sig line 1, which is not of this component by one of these keys$/);
    expect(digest(host)).toBe(digestOf(FILTER));
    renameOver(signed(NEXT, old.key), `${file}.sig`);
    await host.lines("the swap", ({ msg }) => msg === "swapped");
    expect(digest(host)).toBe(digestOf(NEXT));
  });

  test("may come first, and beside a file of any name", async () => {
    const named = put("filter", FILTER, old);
    const host = await start({ component: named });
    renameOver(signed(FILTER, old.key) + signed(NEXT, old.key), `${named}.sig`);
    renameOver(NEXT, named);
    await host.lines("the swap", ({ msg }) => msg === "swapped");
    const third = variant(FILTER, "third");
    renameOver(third, named);
    await host.lines("the refusal", ({ msg }) => msg.startsWith("swap refused"));
    renameOver(signed(third, old.key), `${named}.sig`);
    await host.lines("the other swap", ({ msg }) => msg === "swapped", 2);
    expect(digest(host)).toBe(digestOf(third));
  });

  test("by somebody else beside the same bytes elsewhere takes nothing from it", async () => {
    mkdirSync(join(place.folder, "other"));
    const other = put("other/mark.wasm", FILTER, fresh);
    const filters = {
      second: { component: other, config: { mark: "x" }, verify: { keys: [fresh.files.public] } },
    };
    const first = await start({ filters });
    await first.host.drain();
    for (const path of [file, other]) for (const gone of [path, `${path}.sig`]) rmSync(gone);
    const second = await start({ filters });
    expect(second.host.status().filters.map((filter) => filter.digest)).toEqual([
      digestOf(FILTER),
      digestOf(FILTER),
    ]);
  });
});

describe("a policy", () => {
  test("that has become stricter holds for the way back, too", async () => {
    const host = await start({ by: [], component: put("unsigned.wasm", variant(FILTER, "unsigned")) });
    await apply(host, { by: [old] });
    const before = host.host.status();
    for (const to of [undefined, 1]) {
      const { code, message } = await refusal(host.host.rollback(to));
      expect([code, message]).toEqual([
        "SIGNATURE_REFUSED",
        expect.stringMatching(
          /unsigned\.wasm: expected a signature of sha256:\w+ by a key of .*old\.pem, got none$/,
        ),
      ]);
    }
    expect(host.host.status()).toEqual(before);
    const refused = await host.lines("the refusals", ({ msg }) => msg.startsWith("rollback refused: "), 2);
    expect(refused).toMatchObject([{ code: "SIGNATURE_REFUSED" }, { code: "SIGNATURE_REFUSED", to: 1 }]);
  });

  test("changes hands without a moment in which nothing that is signed would load", async () => {
    const host = await start();
    await apply(host, { by: [old, fresh] });
    // By the old key alone: it is refused by who has only the new one.
    expect((await refusal(apply(host, { by: [fresh] }))).code).toBe("SIGNATURE_REFUSED");
    put("mark.wasm", FILTER, old, fresh);
    await apply(host, { by: [fresh], mark: "two" });
    expect(await markOf(host)).toBe("two");
    const { code } = await refusal(host.host.swap("mark", { component: put("next.wasm", NEXT, old) }));
    expect(code).toBe("SIGNATURE_REFUSED");
    await host.host.swap("mark", { component: put("next.wasm", NEXT, fresh) });
    // Signed by both by now, so that the way back is open as far as the new key has signed.
    await host.host.rollback(1);
    expect(digest(host)).toBe(digestOf(FILTER));
  });

  test("whose key is another one by now holds back no change of something else", async () => {
    const host = await start();
    copyFileSync(fresh.files.public, old.files.public);
    await apply(host, { mark: "two" });
    expect(await markOf(host)).toBe("two");
    const { code } = await refusal(host.host.swap("mark", {}));
    expect(code).toBe("SIGNATURE_REFUSED");
  });
});

describe.skipIf(program === undefined && process.env["CI"] === undefined)(
  `a signature in a registry (needs: ${INSTALL})`,
  () => {
    let server: RegistryServer;

    beforeEach(async () => {
      assert(program !== undefined, `the registry is missing: ${INSTALL}`);
      server = await RegistryServer.start(program);
      place.stack.defer(() => server[Symbol.asyncDispose]());
    });

    async function push(reference: string, bytes: Buffer, by: Signer): Promise<void> {
      await using registries = new TestRegistries();
      await registries.push(reference, {
        component: bytes,
        world: worldOf(await componentWit(bytes)),
        signatures: [{ kind: "key", text: signed(bytes, by.key) }],
        createdAt: undefined,
      });
    }

    test("lets its component in, also when the registry is gone for good", async () => {
      const reference = `oci://${server.host}/mark:1`;
      await push(reference, FILTER, old);
      const first = await start({ component: reference });
      await push(reference, NEXT, fresh);
      const { code, message } = await refusal(first.host.swap("mark", {}));
      expect([code, message]).toEqual([
        "SIGNATURE_REFUSED",
        `${reference}: expected a signature of sha256:${digestOf(NEXT)} by a key of ${old.files.public}, ` +
          `got ${reference} line 1, which is not of this component by one of these keys`,
      ]);
      await push(reference, NEXT, old);
      expect((await first.host.swap("mark", {})).to).toBe(digestOf(NEXT));
      await first.host.drain();
      await server[Symbol.asyncDispose]();
      const second = await start({ component: reference });
      expect(digest(second)).toBe(digestOf(NEXT));
      await second.host.rollback(1);
      expect(digest(second)).toBe(digestOf(FILTER));
    });

    test("is made, pushed, asked for and refused by commands", async () => {
      const verify = { keys: [old.files.public] };
      const reference = `oci://${server.host}/team/marks:1`;
      await using host = await RunningHost.start((_, response) => response.end("hello"), {
        filters: { marks: { component: "marks.wasm", config: {} } },
      });
      const command = async (...words: string[]): Promise<string> => {
        const { code, stdout, stderr } = await host.command(...words);
        expect([code, stderr], words.join(" ")).toEqual([0, ""]);
        return stdout;
      };
      writeFileSync(join(host.folder, "next.wasm"), built("next"));
      await command("push", "next.wasm", reference);
      configure(host.folder, verify);
      const refused = await host.command("reload");
      expect([refused.code, refused.stdout]).toEqual([1, ""]);
      expect(refused.stderr).toMatch(/^sluice: .*marks\.wasm: expected a signature of .*, got none$/m);

      await command("sign", "marks.wasm", "--key", old.files.private);
      await command("reload");
      const unsigned = await host.command("swap", "marks", reference);
      expect([unsigned.code, unsigned.stderr]).toEqual([
        1,
        `sluice: ${reference}: expected a signature of sha256:${digestOf(built("next"))} by a key of ${old.files.public}, got none\n`,
      ]);
      await command("sign", "next.wasm", "--key", old.files.private);
      await command("push", "next.wasm", reference);
      expect(await command("swap", "marks", reference)).toMatch(/^marks: \w{12} → \w{12}, generation 3, /);
      // The tag moves, and nobody has to name it again.
      writeFileSync(join(host.folder, "next.wasm"), built("newer"));
      await command("sign", "next.wasm", "--key", old.files.private);
      await command("push", "next.wasm", reference);
      await command("swap", "marks");
      expect((await host.status()).filters).toMatchObject([
        { component: reference, digest: digestOf(built("newer")) },
      ]);
    });
  },
);

/** Has the host's configuration ask for signatures. */
function configure(folder: string, verify: object): void {
  const path = join(folder, "sluice.yaml");
  const config = JSON.parse(readFileSync(path, "utf8")) as object;
  writeFileSync(path, JSON.stringify({ ...config, verify }));
}
