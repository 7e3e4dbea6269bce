import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Evidence } from "../../host/trust/evidence.ts";
import type { SigstorePolicy } from "../../host/trust/sigstore.ts";
import { whyUntrusted } from "../../host/trust/trust.ts";
import { GITHUB, SigstoreWorld, WORKFLOW, type WrittenBundle, type WrittenEntry } from "./sigstore-world.ts";

export const COMPONENT: Buffer = Buffer.from("\0asm a component");
export const DIGEST: string = digestOf(COMPONENT);

/** A component that is signed in both ways, a sigstore, and a folder with its trusted root. */
export class SigstoreCase implements Disposable {
  readonly folder: string;
  readonly world: SigstoreWorld;
  readonly signed: WrittenBundle;
  readonly attested: WrittenBundle;

  private constructor(world: SigstoreWorld, signed: WrittenBundle, attested: WrittenBundle) {
    this.folder = mkdtempSync(join(tmpdir(), "sluice-sigstore-"));
    this.world = world;
    this.signed = signed;
    this.attested = attested;
    writeFileSync(join(this.folder, "trusted_root.json"), world.trustedRoot);
  }

  static async create(): Promise<SigstoreCase> {
    const world = await SigstoreWorld.create();
    return new SigstoreCase(
      world,
      await world.signBytes(COMPONENT),
      await world.signStatement(statement(DIGEST)),
    );
  }

  policy(parts: Partial<SigstorePolicy> = {}): SigstorePolicy {
    return {
      kind: "sigstore",
      issuer: GITHUB,
      identity: { kind: "exact", text: WORKFLOW },
      trustedRoot: join(this.folder, "trusted_root.json"),
      tlog: 1,
      ...parts,
    };
  }

  /** What is said of one bundle; undefined when it is trusted. */
  async why(bundle: unknown, parts: Partial<SigstorePolicy> = {}): Promise<string | undefined> {
    const artifact = { digest: DIGEST, bytes: () => Promise.resolve(COMPONENT) };
    const sentence = await whyUntrusted([this.policy(parts)], artifact, [evidence(bundle)]);
    if (sentence === undefined) return undefined;
    const [, said] = /^expected .*, got f\.wasm\.sigstore\.json, which ([^]*)$/.exec(sentence) ?? [];
    if (said === undefined) throw new Error(`the sentence has another form: ${sentence}`);
    return said;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function statement(digest: string, predicateType = "https://slsa.dev/provenance/v1"): object {
  return {
    _type: "https://in-toto.io/Statement/v1",
    subject: [
      { name: "other.wasm", digest: { sha256: "0".repeat(64) } },
      { name: "f.wasm", digest: { sha256: digest } },
    ],
    predicateType,
    predicate: {},
  };
}

export function evidence(bundle: unknown): Evidence {
  return { kind: "sigstore", text: JSON.stringify(bundle), from: "f.wasm.sigstore.json" };
}

/** A copy with something changed. */
export function altered(bundle: WrittenBundle, change: (copy: WrittenBundle) => void): WrittenBundle {
  const copy = structuredClone(bundle);
  change(copy);
  return copy;
}

export function entryOf(bundle: WrittenBundle): WrittenEntry {
  const [entry] = bundle.verificationMaterial.tlogEntries;
  if (entry === undefined) throw new Error("no entry");
  return entry;
}

/** The same bytes but for one bit of the last one. */
export function flipped(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) ^ 1;
  return bytes.toString("base64");
}
