/** Files that are no bundle, or no whole one, or one that nobody needs. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { whyUntrusted } from "../../host/trust/trust.ts";
import { altered, SigstoreCase, COMPONENT, DIGEST, entryOf } from "./sigstore-case.ts";
import { type WrittenBundle } from "./sigstore-world.ts";

let given: SigstoreCase;

beforeAll(async () => {
  given = await SigstoreCase.create();
});

afterAll(() => given[Symbol.dispose]());

describe("what is no bundle", () => {
  test.each([
    ["an empty mapping", {}, "is no sigstore bundle"],
    ["a list", [1], "is no sigstore bundle"],
    [
      "cosign's old form",
      { base64Signature: "AA==", cert: "x" },
      "is a bundle of cosign's old form, which --new-bundle-format replaces",
    ],
  ])("%s is refused", async (_, bundle, sentence) => {
    expect(await given.why(bundle)).toBe(sentence);
  });

  test("a bundle whose end is missing is no JSON", async () => {
    const artifact = { digest: DIGEST, bytes: () => Promise.resolve(COMPONENT) };
    const text = JSON.stringify(given.signed).slice(0, -20);
    const sentence = await whyUntrusted([given.policy()], artifact, [{ kind: "sigstore", text, from: "f" }]);
    expect(sentence).toMatch(/got f line 1, which is no JSON$/);
  });

  test("a bundle with more entries or bigger certificates than any needs is not looked at", async () => {
    const many = altered(given.signed, (bundle) => {
      bundle.verificationMaterial.tlogEntries = Array.from({ length: 33 }, () => entryOf(given.signed));
    });
    expect(await given.why(many)).toBe("has more than 32 entries of transparency logs or timestamps");
    const big = altered(given.signed, ({ verificationMaterial }) => {
      verificationMaterial.certificate = { rawBytes: Buffer.alloc(16_385).toString("base64") };
    });
    expect(await given.why(big)).toBe("has a certificate of more than 16384 bytes");
  });

  test("whatever part of a bundle is missing, empty or something else, the answer is a sentence", async () => {
    const instead = [undefined, null, "", "AAAA", 7, [], {}, [{}], "\u001b[31m\u202e"];
    const accepted = new Set<string>();
    const sentences = new Set<string>();
    for (const whole of [given.signed, given.attested]) {
      for (const path of pathsIn(whole)) {
        for (const value of instead) {
          const said = await given.why(replaced(whole, path, value));
          if (said === undefined) accepted.add(path.join("."));
          sentences.add(said ?? "");
        }
      }
    }
    expect([...sentences].filter((sentence) => !/^[ -~…]{0,600}$/.test(sentence))).toEqual([]);
    const proof = "verificationMaterial.tlogEntries.0.inclusionProof";
    expect(
      [...accepted].sort(),
      "something else than what is signed elsewhere, too, was of no account",
    ).toEqual([
      // SHA-256 is what is taken when nothing is said.
      "messageSignature.messageDigest.algorithm",
      // Of a tree of one entry there are none, and its place is 0.
      `${proof}.hashes`,
      `${proof}.logIndex`,
      // The checkpoint has them, given.signed.
      `${proof}.rootHash`,
      `${proof}.treeSize`,
    ]);
  });
});

function pathsIn(node: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof node !== "object" || node === null) return [path];
  const within = Object.entries(node).flatMap(([key, child]) => pathsIn(child, [...path, key]));
  return path.length === 0 ? within : [path, ...within];
}

function replaced(whole: WrittenBundle, path: readonly string[], value: unknown): unknown {
  const copy: unknown = structuredClone(whole);
  let parent = copy as Record<string, unknown>;
  for (const key of path.slice(0, -1)) parent = parent[key] as Record<string, unknown>;
  parent[path.at(-1) ?? ""] = value;
  return copy;
}
