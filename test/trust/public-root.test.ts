/** The public sigstore's roots, and when the libraries are loaded at all. What would be fetched is put in its place. */
import { createHash } from "node:crypto";
import { bundleFromJSON } from "@sigstore/bundle";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";
import { beforeAll, beforeEach, expect, test, vi } from "vitest";
import type { Evidence } from "../../host/trust/evidence.ts";
import { whyUntrusted } from "../../host/trust/trust.ts";
import { GITHUB, SigstoreWorld, WORKFLOW } from "./sigstore-world.ts";

const fetched = vi.hoisted(() => ({ loads: 0, options: [] as unknown[], root: "" }));

vi.mock("sigstore", () => {
  fetched.loads += 1;
  return {
    createVerifier: async (options: { readonly tlogThreshold: number }) => {
      fetched.options.push(options);
      if (fetched.root === "")
        throw new Error("connect ECONNREFUSED\u001b[31m", { cause: new Error("no route") });
      const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(fetched.root))), options);
      return {
        verify: (json: unknown, bytes: Buffer) =>
          verifier.verify(toSignedEntity(bundleFromJSON(json), bytes)),
      };
    },
  };
});

const COMPONENT = Buffer.from("\0asm a component");
const ARTIFACT = {
  digest: createHash("sha256").update(COMPONENT).digest("hex"),
  bytes: () => Promise.resolve(COMPONENT),
};
const POLICY = {
  kind: "sigstore",
  issuer: GITHUB,
  identity: { kind: "exact", text: WORKFLOW },
  trustedRoot: null,
  tlog: 1,
} as const;

let world: SigstoreWorld;
let evidence: Evidence;

beforeAll(async () => {
  world = await SigstoreWorld.create();
  const text = JSON.stringify(await world.signBytes(COMPONENT));
  evidence = { kind: "sigstore", text, from: "f.wasm.sigstore.json" };
});

beforeEach(() => {
  fetched.options = [];
  fetched.root = world.trustedRoot;
});

test("who asks for keys alone never loads the libraries", async () => {
  const policies = [{ kind: "keys", keys: ["/nowhere/key.pem"] }] as const;
  expect(await whyUntrusted(policies, ARTIFACT, [evidence])).toMatch(
    /which is by an identity, while none is asked for;/,
  );
  expect(fetched.loads).toBe(0);
});

test("roots come from the cache as long as it is good, once for all bundles of a component", async () => {
  const other = { ...POLICY, identity: { kind: "exact", text: "dev@acme.test" } } as const;
  expect(await whyUntrusted([other, POLICY], ARTIFACT, [evidence, evidence])).toBeUndefined();
  expect(fetched.options).toEqual([{ tlogThreshold: 1, tufForceCache: true }]);
});

test("who has signed is asked by the host, and not by the library, which takes a part of a name for it", async () => {
  const part = { ...POLICY, identity: { kind: "exact", text: "refs/heads/main" } } as const;
  expect(await whyUntrusted([part], ARTIFACT, [evidence])).toMatch(/which is by somebody else, "https:/);
});

test("roots that cannot be fetched are a reason, and whatever the network says is made harmless", async () => {
  fetched.root = "";
  expect(await whyUntrusted([POLICY], ARTIFACT, [evidence])).toMatch(
    /which cannot be checked: the public sigstore's trusted root cannot be had: "connect ECONNREFUSED\?\[31m: no route"$/,
  );
});

test("nobody fetches roots for a bundle that is of another component by its own words", async () => {
  const other = await world.signBytes(Buffer.from("another"));
  const text = JSON.stringify(other);
  expect(await whyUntrusted([POLICY], ARTIFACT, [{ ...evidence, text }])).toMatch(/is of another artifact/);
  expect(fetched.options).toEqual([]);
});
