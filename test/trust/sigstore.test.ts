/** Which bundles of sigstore are trusted, with real keys and certificates of an authority and logs of the test's own. Nobody else is asked. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { whyUntrusted } from "../../host/trust/trust.ts";
import { altered, SigstoreCase, COMPONENT, DIGEST, digestOf, evidence, statement } from "./sigstore-case.ts";
import { GITHUB, WORKFLOW } from "./sigstore-world.ts";

let given: SigstoreCase;

beforeAll(async () => {
  given = await SigstoreCase.create();
});

afterAll(() => given[Symbol.dispose]());

describe("what is trusted", () => {
  test("a signature of the component's bytes by the identity", async () => {
    expect(await given.why(given.signed)).toBeUndefined();
  });

  test("a statement of where the component is from, by the identity, without a look at the bytes", async () => {
    const artifact = {
      digest: DIGEST,
      bytes: () =>
        Promise.reject(new Error("the bytes of a component were read for a statement about its digest")),
    };
    expect(await whyUntrusted([given.policy()], artifact, [evidence(given.attested)])).toBeUndefined();
  });

  test.each(["https://slsa.dev/provenance/v0.2", "https://sigstore.dev/cosign/sign/v1"])(
    "a statement of the kind %s",
    async (type) => {
      expect(await given.why(await given.world.signStatement(statement(DIGEST, type)))).toBeUndefined();
    },
  );

  test("one bundle of several on lines of their own, as gh writes them", async () => {
    const other = await given.world.signStatement(statement("1".repeat(64)));
    const text = `${JSON.stringify(other)}\n${JSON.stringify(given.attested)}\n`;
    const artifact = { digest: DIGEST, bytes: () => Promise.resolve(COMPONENT) };
    const from = "f.wasm.sigstore.json";
    expect(
      await whyUntrusted([given.policy()], artifact, [{ kind: "sigstore", text, from }]),
    ).toBeUndefined();
  });

  test("an e-mail address, where that is whom the certificate is for", async () => {
    const names = [{ type: "email", value: "dev@acme.test" }] as const;
    const bundle = await given.world.signBytes(COMPONENT, { names, issuer: "https://accounts.acme.test" });
    const parts = { issuer: "https://accounts.acme.test" };
    expect(
      await given.why(bundle, { ...parts, identity: { kind: "exact", text: "dev@acme.test" } }),
    ).toBeUndefined();
    expect(await given.why(bundle, { ...parts, identity: { kind: "exact", text: "ev@acme.test" } })).toBe(
      'is by somebody else, "dev@acme.test"',
    );
  });

  test("an identity that an expression matches from its first letter to its last", async () => {
    const like = (text: string): Promise<string | undefined> =>
      given.why(given.signed, { identity: { kind: "pattern", text } });
    expect(
      await like("https://github\\.com/acme/[^/]+/\\.github/workflows/release\\.yml@refs/heads/main"),
    ).toBeUndefined();
    expect(await like("https://github\\.com/acme/.*|https://gitlab\\.com/acme/.*")).toBeUndefined();
    expect(await like("https://github\\.com/acme/filters"), "a beginning is taken for the whole").toMatch(
      /^is by somebody else/,
    );
    expect(await like("refs/heads/main"), "an end is taken for the whole").toMatch(/^is by somebody else/);
  });

  test("a signature that only an authority for time vouches for, when no log is asked for", async () => {
    const signedTimestamp = await given.world.timestamp(given.signed.messageSignature?.signature ?? "");
    const stamped = altered(given.signed, ({ verificationMaterial }) => {
      verificationMaterial.tlogEntries = [];
      verificationMaterial.timestampVerificationData = { rfc3161Timestamps: [{ signedTimestamp }] };
    });
    expect(await given.why(stamped, { tlog: 0 })).toBeUndefined();
    expect(await given.why(stamped)).toMatch(/^is not in a transparency log \(/);
    const bare = altered(stamped, ({ verificationMaterial }) => {
      delete verificationMaterial.timestampVerificationData;
    });
    expect(await given.why(bare, { tlog: 0 }), "nobody says when it was signed").toMatch(
      /^has no time that is trusted/,
    );
  });
});

describe("whose signature it is", () => {
  test("that of another workflow is refused by its name", async () => {
    const value = WORKFLOW.replace("main", "topic");
    expect(await given.why(await given.world.signBytes(COMPONENT, { names: [{ type: "url", value }] }))).toBe(
      `is by somebody else, "${value}"`,
    );
  });

  test("a name that only contains the one that is meant is another one", async () => {
    for (const value of [`${WORKFLOW}-2`, `https://evil.test/?${WORKFLOW}`, WORKFLOW.replaceAll(".", "x")]) {
      const bundle = await given.world.signBytes(COMPONENT, { names: [{ type: "url", value }] });
      expect(await given.why(bundle), value).toMatch(/^is by somebody else/);
    }
  });

  test("the name at another issuer is somebody else's", async () => {
    const bundle = await given.world.signBytes(COMPONENT, { issuer: "https://accounts.evil.test" });
    expect(await given.why(bundle)).toBe('is by somebody of another issuer, "https://accounts.evil.test"');
  });

  test("a certificate for two names is for neither", async () => {
    const two = [
      { type: "url", value: WORKFLOW },
      { type: "email", value: "evil@evil.test" },
    ] as const;
    expect(await given.why(await given.world.signBytes(COMPONENT, { names: two }))).toMatch(
      /^has a certificate that is not for exactly one/,
    );
    const host = await given.world.signBytes(COMPONENT, { names: [{ type: "dns", value: "github.com" }] });
    expect(await given.why(host)).toMatch(/^has a certificate that is not for exactly one/);
  });

  test("one of several policies is enough, and each reason is told when none is", async () => {
    const artifact = { digest: DIGEST, bytes: () => Promise.resolve(COMPONENT) };
    const elsewhere = given.policy({ issuer: "https://gitlab.test" });
    const somebody = given.policy({ identity: { kind: "exact", text: "https://acme.test/x" } });
    expect(
      await whyUntrusted([elsewhere, given.policy(), somebody], artifact, [evidence(given.signed)]),
    ).toBeUndefined();
    expect(await whyUntrusted([elsewhere, somebody], artifact, [evidence(given.signed)])).toBe(
      `expected a signature of sha256:${DIGEST} by "${WORKFLOW}" of "https://gitlab.test", or by "https://acme.test/x" of "${GITHUB}", ` +
        `got f.wasm.sigstore.json, which is by somebody of another issuer, "${GITHUB}" and is by somebody else, "${WORKFLOW}"`,
    );
  });

  test("a key without a certificate is nobody", async () => {
    const keyed = altered(given.signed, ({ verificationMaterial }) => {
      delete verificationMaterial.certificate;
      verificationMaterial.publicKey = { hint: "mine" };
    });
    expect(await given.why(keyed)).toBe("is by a key, without a certificate that says whose it is");
  });
});

describe("what it is a signature of", () => {
  const OTHER = Buffer.from("\0asm another component");

  test("a bundle of another component is refused by that one's digest", async () => {
    expect(await given.why(await given.world.signBytes(OTHER))).toBe(
      `is of another artifact, sha256:${digestOf(OTHER)}`,
    );
  });

  test("a bundle that claims to be of this one, by another's signature, is refused", async () => {
    const claiming = altered(await given.world.signBytes(OTHER), ({ messageSignature }) => {
      if (messageSignature)
        messageSignature.messageDigest.digest = Buffer.from(DIGEST, "hex").toString("base64");
    });
    expect(await given.why(claiming)).toMatch(
      /^has the transparency log's entry of another signature \("digest mismatch"\)$/,
    );
    claiming.verificationMaterial.tlogEntries = given.signed.verificationMaterial.tlogEntries;
    expect(await given.why(claiming)).toMatch(/^has the transparency log's entry of another signature/);
  });

  test("a claim by another hash says nothing of the bytes", async () => {
    const claiming = altered(await given.world.signBytes(OTHER), ({ messageSignature }) => {
      if (messageSignature) messageSignature.messageDigest.algorithm = "SHA2_512";
    });
    expect(await given.why(claiming)).toMatch(/^is not a signature of this component/);
  });

  test("bytes that are not those of the digest are not looked at", async () => {
    const artifact = { digest: DIGEST, bytes: () => Promise.resolve(OTHER) };
    expect(await whyUntrusted([given.policy()], artifact, [evidence(given.signed)])).toMatch(
      /which cannot be checked: the component's bytes are not those of its digest$/,
    );
    const gone = { digest: DIGEST, bytes: () => Promise.reject(new Error("gone")) };
    expect(await whyUntrusted([given.policy()], gone, [evidence(given.signed)])).toMatch(
      /which cannot be checked: the component cannot be read$/,
    );
  });

  test.each([
    ["about other artifacts", statement("1".repeat(64)), "is a statement about other artifacts"],
    [
      "that its tests have failed",
      statement(DIGEST, "https://in-toto.io/attestation/test-result/v0.1"),
      "is a statement that does not say where the artifact is from",
    ],
    [
      "without subjects",
      { _type: "https://in-toto.io/Statement/v1" },
      "is a statement about other artifacts",
    ],
    [
      "of odd subjects",
      { ...statement(DIGEST), subject: [null, 1, { digest: null }, { digest: "x" }] },
      "is a statement about other artifacts",
    ],
    ["of another form", { subject: [] }, "has an envelope with no in-toto statement in it"],
    ["that is nothing", null, "has an envelope with no in-toto statement in it"],
  ])("a statement %s is no word for the component", async (_, said, sentence) => {
    expect(await given.why(await given.world.signStatement(said))).toBe(sentence);
  });

  test("an envelope of something else, whatever it says, is no statement", async () => {
    const bundle = await given.world.signStatement(statement(DIGEST), {}, "application/json");
    expect(await given.why(bundle)).toBe("has an envelope with no in-toto statement in it");
  });

  test("a statement that was changed after it was signed is refused", async () => {
    const bundle = altered(await given.world.signStatement(statement("1".repeat(64))), ({ dsseEnvelope }) => {
      if (dsseEnvelope)
        dsseEnvelope.payload = Buffer.from(JSON.stringify(statement(DIGEST))).toString("base64");
    });
    expect(await given.why(bundle)).toMatch(/^has the transparency log's entry of another signature/);
  });
});
