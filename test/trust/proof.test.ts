/** What vouches for a bundle: the transparency log, and the authority of its certificate. */
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { altered, SigstoreCase, COMPONENT, entryOf, flipped } from "./sigstore-case.ts";
import { SigstoreWorld, type WrittenBundle } from "./sigstore-world.ts";

let given: SigstoreCase;

beforeAll(async () => {
  given = await SigstoreCase.create();
});

afterAll(() => given[Symbol.dispose]());

describe("the transparency log", () => {
  test("a signature that is in none is refused", async () => {
    const bare = altered(given.signed, ({ verificationMaterial }) => {
      verificationMaterial.tlogEntries = [];
    });
    expect(await given.why(bare)).toMatch(/^has no time that is trusted/);
  });

  test("an entry that is neither promised nor proven is refused", async () => {
    const unproven = altered(given.signed, (bundle) => {
      delete entryOf(bundle).inclusionProof;
      entryOf(bundle).inclusionPromise = {
        signedEntryTimestamp: flipped(entryOf(given.signed).inclusionPromise?.signedEntryTimestamp ?? ""),
      };
      bundle.mediaType = "application/vnd.dev.sigstore.bundle+json;version=0.1";
    });
    expect(await given.why(unproven)).toMatch(/^is not promised to be in a transparency log that is trusted/);
  });

  test.each([
    [
      "its time",
      (bundle: WrittenBundle) =>
        (entryOf(bundle).integratedTime = String(Number(entryOf(bundle).integratedTime) - 1)),
    ],
    [
      "its place",
      (bundle: WrittenBundle) => (entryOf(bundle).logIndex = String(Number(entryOf(bundle).logIndex) + 1)),
    ],
    [
      "its log",
      (bundle: WrittenBundle) => (entryOf(bundle).logId.keyId = Buffer.alloc(32).toString("base64")),
    ],
  ])("an entry with %s changed is not what the log has promised", async (_, change) => {
    expect(await given.why(altered(given.signed, change))).toMatch(
      /^is not promised to be in a transparency log that is trusted/,
    );
  });

  test("an entry with its body changed is refused", async () => {
    const tampered = altered(given.signed, (bundle) => {
      const entry = entryOf(bundle);
      const body = JSON.parse(Buffer.from(entry.canonicalizedBody, "base64").toString()) as { note?: string };
      entry.canonicalizedBody = Buffer.from(JSON.stringify({ ...body, note: "x" })).toString("base64");
    });
    expect(await given.why(tampered)).toMatch(/^is not promised to be/);
    delete entryOf(tampered).inclusionPromise;
    entryOf(tampered).integratedTime = "0";
    const signedTimestamp = await given.world.timestamp(given.signed.messageSignature?.signature ?? "");
    tampered.verificationMaterial.timestampVerificationData = { rfc3161Timestamps: [{ signedTimestamp }] };
    expect(await given.why(tampered)).toMatch(/^is not proven to be in a transparency log that is trusted/);
  });

  test("a certificate that had run out by the time of the entry is refused", async () => {
    const late = await given.world.signBytes(COMPONENT, { loggedAt: new Date(Date.now() + 3_600_000) });
    expect(await given.why(late)).toMatch(
      /^has a certificate that is not trusted, or was not when it was used \(".*expired/,
    );
  });

  test("a certificate that has run out since is as good as it was", async () => {
    // The ten minutes are counted by the log's clock, not by ours.
    const { validTo } = new X509Certificate(
      Buffer.from(given.signed.verificationMaterial.certificate?.rawBytes ?? "", "base64"),
    );
    vi.useFakeTimers({ toFake: ["Date"], now: new Date(validTo).getTime() + 3_600_000 });
    try {
      expect(await given.why(given.signed)).toBeUndefined();
    } finally {
      vi.useRealTimers();
    }
  });

  test("another log's entry of the same signature is refused", async () => {
    const elsewhere = await (await SigstoreWorld.create()).signBytes(COMPONENT);
    const foreign = altered(given.signed, ({ verificationMaterial }) => {
      verificationMaterial.tlogEntries = elsewhere.verificationMaterial.tlogEntries;
    });
    expect(await given.why(foreign)).toMatch(/^is not promised to be in a transparency log that is trusted/);
  });

  test("one log does not count twice", async () => {
    const twice = altered(given.signed, (bundle) => {
      const second = structuredClone(entryOf(bundle));
      // Without its promise nothing in the entry is signed but its body: it may be said to be of any log.
      delete second.inclusionPromise;
      second.logId.keyId = Buffer.alloc(32, 7).toString("base64");
      second.logIndex = "7";
      bundle.verificationMaterial.tlogEntries.push(second);
    });
    expect(await given.why(twice)).toBeUndefined();
    expect(await given.why(twice, { tlog: 2 })).toBe("is proven to be in 1 of 2 transparency logs");
  });

  test("a checkpoint whose signer's name is an expression is not held against the names of logs, which could take forever", async () => {
    const hostile = altered(given.signed, (bundle) => {
      const proof = entryOf(bundle).inclusionProof;
      if (proof) proof.checkpoint.envelope = proof.checkpoint.envelope.replace("— rekor.test ", "— (.+)+! ");
    });
    expect(entryOf(hostile).inclusionProof?.checkpoint.envelope).toContain("— (.+)+! ");
    expect(await given.why(hostile)).toBe("has a transparency log's checkpoint by a name that no log has");
  });
});

describe("the authority", () => {
  test("a bundle of another sigstore is refused", async () => {
    const elsewhere = await (await SigstoreWorld.create()).signBytes(COMPONENT);
    expect(await given.why(elsewhere)).toMatch(/^has a certificate that is not trusted/);
  });

  test("certificates are in a log of certificates where the trusted root has one, and only there", async () => {
    const own = await SigstoreWorld.create("private");
    const bundle = await own.signBytes(COMPONENT);
    const trustedRoot = join(given.folder, "private.json");
    writeFileSync(trustedRoot, own.trustedRoot);
    expect(await given.why(bundle, { trustedRoot })).toBeUndefined();
    const { ctlogs } = JSON.parse(given.world.trustedRoot) as { readonly ctlogs: unknown };
    writeFileSync(trustedRoot, JSON.stringify({ ...(JSON.parse(own.trustedRoot) as object), ctlogs }));
    expect(await given.why(bundle, { trustedRoot })).toMatch(
      /^has a certificate that is not trusted, .* SCTs/,
    );
  });

  test("a signature with one bit changed is refused", async () => {
    const changed = altered(given.signed, ({ messageSignature }) => {
      if (messageSignature) messageSignature.signature = flipped(messageSignature.signature);
    });
    expect(await given.why(changed)).toMatch(/^has the transparency log's entry of another signature/);
  });

  test("a trusted root that is gone, or is none, is told by its file", async () => {
    const gone = join(given.folder, "gone.json");
    expect(await given.why(given.signed, { trustedRoot: gone })).toBe(
      `cannot be checked: trusted root ${gone}: expected a file that can be read, got no such file`,
    );
    const damaged = join(given.folder, "damaged.json");
    const root = JSON.parse(given.world.trustedRoot) as { certificateAuthorities: { certChain: unknown }[] };
    for (const authority of root.certificateAuthorities)
      authority.certChain = { certificates: [{ rawBytes: "AAAA" }] };
    writeFileSync(damaged, JSON.stringify(root));
    expect(await given.why(given.signed, { trustedRoot: damaged })).toBe(
      `cannot be checked: trusted root ${damaged}: expected certificates and keys of sigstore, got some that are damaged`,
    );
  });
});
