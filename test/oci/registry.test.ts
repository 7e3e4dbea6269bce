/** Against a registry as others run it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { componentWit } from "@bytecodealliance/jco-transpile/wasm-tools";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { worldOf } from "../../host/filter/world.ts";
import type { Push } from "../../host/oci/push.ts";
import { type Outcome, sluice } from "../cli/command.ts";
import { Authority } from "../support/certificate.ts";
import { variant } from "../support/component-file.ts";
import { component } from "../support/test-host.ts";
import { refusal, spokenWith, TestRegistries } from "./registries.ts";
import { INSTALL, PASSWORD, registryProgram, RegistryServer, USER } from "./registry-server.ts";

const program = await registryProgram();
const FILTER = readFileSync(component("mark"));
const WORLD = worldOf(await componentWit(FILTER));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-oci-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(program === undefined && process.env["CI"] === undefined)(
  `a registry (needs: ${INSTALL})`,
  () => {
    let server: RegistryServer;

    beforeAll(async () => {
      assert(program !== undefined, `the registry is missing: ${INSTALL}`);
      server = await RegistryServer.start(program);
    });

    afterAll(() => server[Symbol.asyncDispose]());

    test("what was pushed is resolved without its bytes, and fetched with them", async () => {
      await using registries = new TestRegistries();
      const reference = `oci://${server.host}/team/mark:1.0`;

      const pushed = await registries.push(reference, pushOf(FILTER));
      const artifact = await registries.resolve(reference);

      expect(pushed).toEqual({
        pinned: `oci://${server.host}/team/mark@${artifact.manifestDigest}`,
        manifestDigest: artifact.manifestDigest,
        digest: sha256(FILTER),
        uploaded: true,
      });
      expect(artifact).toMatchObject({
        reference,
        pinned: pushed.pinned,
        digest: sha256(FILTER),
        bytes: FILTER.length,
        imports: WORLD.imports,
        exports: ["sluice:filter/filter@0.1.0"],
      });
      expect(await artifact.signatures()).toEqual([]);
      const counts: number[] = [];
      expect(FILTER.equals(await artifact.fetch((bytes) => counts.push(bytes)))).toBe(true);
      expect(counts.at(-1), "who waits is told how far it is").toBe(FILTER.length);
    });

    test("the same component pushed again is the same artifact, and its bytes are not sent again", async () => {
      await using registries = new TestRegistries();
      const sent: number[] = [];

      const first = await registries.push(`oci://${server.host}/again:1`, pushOf(FILTER));
      const second = await registries.push(`oci://${server.host}/again:2`, {
        ...pushOf(FILTER),
        sent: (bytes) => sent.push(bytes),
      });
      const dated = await registries.push(`oci://${server.host}/again:3`, {
        ...pushOf(FILTER),
        createdAt: 1_700_000_000,
      });

      expect(second).toEqual({ ...first, uploaded: false });
      expect(sent).toEqual([]);
      expect(dated.manifestDigest, "it says when it was made").not.toBe(first.manifestDigest);
    });

    test("a tag names what it names now, and a pinned reference what it named then", async () => {
      await using registries = new TestRegistries();
      const tag = `oci://${server.host}/moving:latest`;
      const first = await registries.push(tag, pushOf(FILTER));
      const other = variant(FILTER, "other");
      await registries.push(tag, pushOf(other));

      expect((await registries.resolve(tag)).digest).toBe(sha256(other));
      expect((await registries.resolve(first.pinned)).digest).toBe(sha256(FILTER));
      const both = `${tag}@${first.manifestDigest}`;
      expect((await registries.resolve(both)).digest, "the digest counts").toBe(sha256(FILTER));
    });

    test("signatures are kept beside the artifact, however many there are, each once", async () => {
      await using registries = new TestRegistries();
      const reference = `oci://${server.host}/signed:1`;
      const bundle = { kind: "sigstore", text: '{"mediaType":"a bundle"}' } as const;
      const own = { kind: "key", text: "signed by a key" } as const;
      const second = { kind: "key", text: "signed by another" } as const;
      await registries.push(reference, { ...pushOf(FILTER), signatures: [bundle, own] });
      await registries.push(reference, { ...pushOf(FILTER), signatures: [own, second] });

      const artifact = await registries.resolve(reference);

      expect(await artifact.signatures()).toEqual([bundle, own, second]);
    });

    test("what is not there is told apart from who is not there", async () => {
      await using registries = new TestRegistries();
      await registries.push(`oci://${server.host}/there:1`, pushOf(FILTER));
      const missing = [
        `oci://${server.host}/nothing:1`,
        `oci://${server.host}/there:2`,
        `oci://${server.host}/there@sha256:${"0".repeat(64)}`,
      ];

      for (const reference of missing) {
        expect(await refusal(registries.resolve(reference))).toBe(
          `${reference} cannot be read: ${server.host} has no such artifact`,
        );
      }
      expect(await refusal(registries.resolve("oci://127.0.0.1:1/f:1"))).toBe(
        "oci://127.0.0.1:1/f:1 cannot be read: nothing listens at 127.0.0.1:1",
      );
    });

    test("a component beyond limits.component-bytes is refused before it is fetched", async () => {
      const reference = `oci://${server.host}/long:1`;
      await using registries = new TestRegistries({ componentBytesMax: FILTER.length - 1 });
      await registries.push(reference, pushOf(FILTER));

      expect(await refusal(registries.resolve(reference))).toBe(
        `${reference} has ${FILTER.length} bytes, and limits.component-bytes allows ${FILTER.length - 1}`,
      );
    });

    test("a registry asks for a password, and gets the one in the docker config file", async () => {
      await using guarded = await RegistryServer.start(program ?? "", { password: true });
      const reference = `oci://${guarded.host}/guarded:1`;
      const trying = async (credentials: string): Promise<string> => {
        const file = join(folder, `${Math.random()}.json`);
        const auth = Buffer.from(credentials).toString("base64");
        writeFileSync(file, JSON.stringify({ auths: { [guarded.host]: { auth } } }));
        await using registries = new TestRegistries({ credentials: file });
        await registries.push(reference, pushOf(FILTER));
        return (await registries.resolve(reference)).digest;
      };

      expect(await trying(`${USER}:${PASSWORD}`)).toBe(sha256(FILTER));
      const refused = await refusal(trying(`${USER}:wrong password`));
      expect(refused).toBe(
        `${reference} cannot be pushed: ${guarded.host} refuses the credentials that there are for it`,
      );
      await using nobody = new TestRegistries();
      expect(await refusal(nobody.resolve(reference))).toBe(
        `${reference} cannot be read: ${guarded.host} asks for user and password, and there are none for it`,
      );
    });

    test("a registry with TLS has to prove who it is", async () => {
      const authority = await Authority.create();
      await using secured = await RegistryServer.start(program ?? "", {
        tls: await authority.issue(["127.0.0.1"]),
      });
      const reference = `oci://${secured.host}/secured:1`;
      const ca = join(folder, "ca.pem");
      writeFileSync(ca, authority.cert);

      await using knowing = new TestRegistries({
        registries: [spokenWith(secured.host, { insecure: false, ca })],
      });
      await knowing.push(reference, pushOf(FILTER));
      expect((await knowing.resolve(reference)).digest).toBe(sha256(FILTER));

      await using unknowing = new TestRegistries({
        registries: [spokenWith(secured.host, { insecure: false })],
      });
      expect(await refusal(unknowing.resolve(reference))).toMatch(
        /^oci:\S+ cannot be read: the certificate or TLS of 127\.0\.0\.1:\d+ is refused \(\w+\)$/,
      );
      // In the clear is how hosts of this machine are spoken with unless the configuration says otherwise.
      await using clear = new TestRegistries();
      expect(await refusal(clear.resolve(reference))).toMatch(/ cannot be read: /);
    });

    describe("on the command line", () => {
      const command = (...words: string[]): Promise<Outcome> =>
        sluice(words, { cwd: folder, env: { DOCKER_CONFIG: folder } });

      test("push prints the pinned reference, pull brings back component and signatures", async () => {
        writeFileSync(join(folder, "mark.wasm"), FILTER);
        writeFileSync(join(folder, "mark.wasm.sig"), "a signature\n");
        writeFileSync(join(folder, "mark.wasm.sigstore.json"), "{}");
        const reference = `oci://${server.host}/cli/mark:1.0`;

        const pushed = await command("push", "mark.wasm", reference);
        expect(pushed).toEqual({
          code: 0,
          stdout: expect.stringMatching(/^oci:\/\/\S+\/cli\/mark@sha256:[0-9a-f]{64}\n$/),
          stderr: "",
        });
        const pulled = await command("pull", pushed.stdout.trim(), "-o", "back.wasm");
        expect(pulled).toEqual({ code: 0, stdout: `${sha256(FILTER)}  back.wasm\n`, stderr: "" });

        expect(readFileSync(join(folder, "back.wasm")).equals(FILTER)).toBe(true);
        expect(readFileSync(join(folder, "back.wasm.sig"), "utf8")).toBe("a signature\n");
        expect(readFileSync(join(folder, "back.wasm.sigstore.json"), "utf8")).toBe("{}");
        expect(
          readdirSync(folder).filter((name) => name.startsWith(".")),
          "nothing is left over",
        ).toEqual([]);
      });

      test("--json gives all of it, and SOURCE_DATE_EPOCH is the time that an artifact says", async () => {
        writeFileSync(join(folder, "mark.wasm"), FILTER);
        const reference = `oci://${server.host}/cli/json:1.0`;
        const env = { DOCKER_CONFIG: folder, SOURCE_DATE_EPOCH: "1700000000" };

        const pushed = await sluice(["push", "mark.wasm", reference, "--json"], { cwd: folder, env });
        const plain = await command("push", "mark.wasm", reference, "--json");
        const pulled = await command("pull", reference, "--json");

        const dated = JSON.parse(pushed.stdout) as Record<string, unknown>;
        const undated = JSON.parse(plain.stdout) as Record<string, unknown>;
        expect(dated).toMatchObject({
          reference,
          digest: sha256(FILTER),
          bytes: FILTER.length,
          signatures: 0,
        });
        expect(undated["manifestDigest"]).not.toBe(dated["manifestDigest"]);
        expect(JSON.parse(pulled.stdout)).toEqual({
          reference: undated["pinned"],
          file: "json.wasm",
          digest: sha256(FILTER),
          bytes: FILTER.length,
          signatures: [],
        });
      });

      // Five commands at once, of which each loads a parser of components.
      test("what is no filter, no reference or not there is a sentence and code 1", {
        timeout: 60_000,
      }, async () => {
        writeFileSync(join(folder, "text.wasm"), "hello");
        writeFileSync(join(folder, "mark.wasm"), FILTER);
        const at = `oci://${server.host}/f`;
        const complaints = await Promise.all([
          command("push", "text.wasm", `${at}:1`),
          command("push", "none.wasm", `${at}:1`),
          command("push", "mark.wasm", at),
          command("push", "mark.wasm", `${at}@sha256:${"0".repeat(64)}`),
          command("pull", `${at}:none`),
        ]);

        expect(complaints.map(({ code }) => code)).toEqual([1, 1, 1, 1, 1]);
        expect(complaints.map(({ stderr }) => stderr)).toEqual([
          expect.stringMatching(/^sluice: text\.wasm is no component: /),
          "sluice: none.wasm cannot be read (ENOENT)\n",
          expect.stringContaining("is no reference to a registry: expected a tag or a digest after the name"),
          expect.stringContaining("cannot be pushed: expected a tag and no digest"),
          `sluice: ${at}:none cannot be read: ${server.host} has no such artifact\n`,
        ]);
        expect(
          readdirSync(folder)
            .map((name) => basename(name))
            .sort(),
        ).toEqual(["mark.wasm", "text.wasm"]);
      });
    });
  },
);

function pushOf(bytes: Buffer): Push {
  return { component: bytes, world: WORLD, signatures: [], createdAt: undefined };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
