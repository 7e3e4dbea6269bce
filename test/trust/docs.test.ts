/** docs/trust.md: its commands are run as they stand there, and its configurations are read. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseConfig } from "../../host/config/parse.ts";
import { evidenceBeside } from "../../host/trust/evidence.ts";
import { whyUntrusted } from "../../host/trust/trust.ts";
import { sluice } from "../cli/command.ts";
import { newKeys, shell } from "./keys.ts";
import { SigstoreWorld } from "./sigstore-world.ts";

const GUIDE = readFileSync(new URL("../../docs/trust.md", import.meta.url), "utf8");
const COMPONENT = "\0asm a component";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-guide-"));
  writeFileSync(join(folder, "marks.wasm"), COMPONENT);
});

afterEach(() => rmSync(folder, { recursive: true }));

function blocks(language: string): string[] {
  return [...GUIDE.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))].map(
    ([, text = ""]) => text,
  );
}

/** The block of commands that has this in it. */
function commands(part: string): string {
  const [found, ...more] = blocks("sh").filter((block) => block.includes(part));
  if (found === undefined || more.length > 0) throw new Error(`the guide has not one block with ${part}`);
  return found;
}

async function why(publicKey: string): Promise<string | undefined> {
  const file = join(folder, "marks.wasm");
  const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
  const policy = { kind: "keys", keys: [join(folder, publicKey)] } as const;
  const artifact = { digest, bytes: () => Promise.resolve(readFileSync(file)) };
  return await whyUntrusted([policy], artifact, await evidenceBeside(file));
}

describe("commands", () => {
  test("OpenSSL makes a key of Ed25519 and a signature that a host takes", async () => {
    shell(commands("genpkey -algorithm ed25519"), folder);
    shell(commands("pkeyutl -sign"), folder);
    expect(await why("release.pem")).toBeUndefined();
    writeFileSync(join(folder, "marks.wasm"), `${COMPONENT}!`);
    expect(await why("release.pem")).toBeDefined();
  });

  test("OpenSSL makes a key of ECDSA and a signature that a host takes, beside another one", async () => {
    shell(commands("genpkey -algorithm ed25519"), folder);
    shell(commands("pkeyutl -sign"), folder);
    shell(commands("genpkey -algorithm EC"), folder);
    expect(await why("ec.pem")).toBeUndefined();
    expect(await why("release.pem"), "the second signature broke the first").toBeUndefined();
    expect(shell(commands("-verify ec.pem"), folder)).toBe("Verified OK\n");
    shell(commands("genpkey -algorithm EC").replaceAll("P-256", "P-384").replaceAll("ec.", "big."), folder);
    expect(await why("big.pem")).toBeUndefined();
  });

  test("OpenSSL takes what sluice sign makes", async () => {
    shell(commands("genpkey -algorithm ed25519"), folder);
    shell(commands("genpkey -algorithm EC"), folder);
    const [, ...words] = commands("sluice sign").trim().split(" ").slice(1);
    expect((await sluice(words, { cwd: folder })).code).toBe(0);
    const [toBytes = ""] = commands("-verify ec.pem").split("\n");
    const [, verifyEd25519 = ""] = /`(openssl pkeyutl -verify [^`]+)`/.exec(GUIDE) ?? [];
    expect(shell(`${toBytes}\n${verifyEd25519}`, folder)).toBe("Signature Verified Successfully\n");
    rmSync(join(folder, "marks.wasm.sig"));
    expect((await sluice([...words.slice(0, -1), "ec.key"], { cwd: folder })).code).toBe(0);
    expect(shell(commands("-verify ec.pem"), folder)).toBe("Verified OK\n");
  });
});

test("every configuration is accepted, once its files are there", async () => {
  mkdirSync(join(folder, "keys"));
  for (const name of ["release.pem", "release-2027.pem"])
    writeFileSync(
      join(folder, "keys", name),
      newKeys("ed25519").publicKey.export({ type: "spki", format: "pem" }),
    );
  writeFileSync(join(folder, "keys", "trusted_root.json"), (await SigstoreWorld.create()).trustedRoot);
  const rest =
    'listen: ["127.0.0.1:0"]\nupstreams: { a: { servers: ["http://127.0.0.1:1"] } }\nroutes: [{ upstream: a }]\n';
  const examples = blocks("yaml").filter((block) => block.startsWith("verify:"));
  expect(examples.length).toBe(3);
  for (const example of examples) parseConfig(rest + example, join(folder, "sluice.yaml"), {});
  const [first = ""] = examples;
  const { filters } = parseConfig(rest + first, join(folder, "sluice.yaml"), {});
  expect(filters.map(({ verify }) => verify?.map(({ kind }) => kind) ?? null)).toEqual([
    ["keys"],
    ["sigstore"],
    null,
  ]);
});
