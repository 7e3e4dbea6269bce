/** Artifacts that no host takes, each for a reason of its own. */
import { sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import type { RefusalCode } from "../../host/control/control.ts";
import { digestOf } from "../../host/filter/component-store.ts";
import { contract, dummy } from "../contract/handmade.ts";
import { variant } from "../support/component-file.ts";
import { component } from "../support/test-host.ts";
import { newKeys } from "../trust/keys.ts";

/** The filter of the table's host that asks for no signature, and the one that does. */
export type Asking = "mark" | "signed";

export interface BadArtifact {
  readonly title: string;
  readonly filter: Asking;
  readonly bytes: () => Buffer | Promise<Buffer>;
  /** What lies beside it. */
  readonly signature?: (bytes: Buffer, key: ReturnType<typeof newKeys>["privateKey"]) => string;
  readonly sha256?: string;
  readonly code: RefusalCode;
  /**
   * PLACE is where it was, DIGEST its own, SIGNATURE where its signature was, KEY the key that is asked for, and * what others have
   * worded.
   */
  readonly sentence: string;
  /** Of a component that another filter may run: then the store keeps it. */
  readonly good?: true;
}

export const FILTER: Buffer = readFileSync(component("mark"));

/** `limits.component-bytes` of the table's host. */
export const BYTES_MAX = 1_048_576;

export const ZEROS: string = "0".repeat(64);

const LOOKED_FOR = "PLACE: expected a signature of sha256:DIGEST by a key of KEY, got";

export const BAD: readonly BadArtifact[] = [
  {
    title: "a file that is not WebAssembly",
    filter: "mark",
    bytes: () => Buffer.from("text"),
    code: "ARTIFACT_REFUSED",
    sentence: "PLACE is no WebAssembly file: it does not begin with \\0asm",
  },
  {
    title: "a core module",
    filter: "mark",
    bytes: async () => Buffer.from(await parse("(module)")),
    code: "ARTIFACT_REFUSED",
    sentence: "PLACE is a core module and no component: build it with --target wasm32-wasip2",
  },
  {
    title: "a component that is cut off",
    filter: "mark",
    bytes: () => FILTER.subarray(0, FILTER.length / 2),
    code: "ARTIFACT_REFUSED",
    sentence: "PLACE is no valid component: *",
  },
  {
    title: "a component of another world",
    filter: "mark",
    bytes: () => made("package a:b; world nothing {}", "nothing"),
    code: "ARTIFACT_REFUSED",
    sentence: "PLACE does not export sluice:filter/filter@0.1.0: it exports nothing",
  },
  {
    title: "a component of another version of the contract",
    filter: "mark",
    bytes: () => made(`${contract("0.2.0")}\nworld other { export filter; }`, "other"),
    code: "ARTIFACT_REFUSED",
    sentence:
      "PLACE exports sluice:filter/filter@0.2.0, and this host serves sluice:filter/filter@0.1.0: build it with the SDK of that version",
  },
  {
    title: "an import that no filter has",
    filter: "mark",
    bytes: () =>
      made(
        `${contract()}\nworld w { import wasi:sockets/tcp@0.2.6; export filter; }\npackage wasi:sockets@0.2.6 { interface tcp { f: func(); } }`,
        "w",
      ),
    code: "ARTIFACT_REFUSED",
    sentence: "PLACE imports wasi:sockets/tcp@0.2.6, which the host does not offer to any filter",
  },
  {
    title: "an import that is not granted",
    filter: "mark",
    bytes: () => readFileSync(component("wants_store")),
    code: "GRANT_MISSING",
    sentence:
      "filter mark imports sluice:filter/store@0.1.0, which it is not granted: filters.mark needs `grant: { store: true }`",
    good: true,
  },
  {
    title: "another component under the name",
    filter: "mark",
    bytes: () => readFileSync(component("headers")),
    code: "CONFIGURE_REFUSED",
    sentence: "filter mark refuses its config: *",
    good: true,
  },
  {
    title: "another digest than the pinned one",
    filter: "mark",
    bytes: () => FILTER,
    sha256: ZEROS,
    code: "ARTIFACT_REFUSED",
    sentence: `PLACE has the digest DIGEST, and ${ZEROS} was asked for`,
    good: true,
  },
  {
    title: "a component that is too large",
    filter: "mark",
    bytes: () => Buffer.concat([FILTER, Buffer.alloc(BYTES_MAX + 1 - FILTER.length)]),
    code: "ARTIFACT_REFUSED",
    sentence: `PLACE has ${BYTES_MAX + 1} bytes, and limits.component-bytes allows ${BYTES_MAX}`,
  },
  {
    title: "no signature",
    filter: "signed",
    bytes: () => variant(FILTER, "unsigned"),
    code: "SIGNATURE_REFUSED",
    sentence: `${LOOKED_FOR} none`,
  },
  {
    title: "bytes that were changed after they were signed",
    filter: "signed",
    bytes: () => variant(FILTER, "tampered"),
    signature: (_, key) => signed(FILTER, key),
    code: "SIGNATURE_REFUSED",
    sentence: `${LOOKED_FOR} SIGNATURE line 1, which is not of this component by one of these keys`,
  },
  {
    title: "a signature by another key, and after it what is none",
    filter: "signed",
    bytes: () => variant(FILTER, "foreign"),
    signature: (bytes) => `${signed(bytes, newKeys("ed25519").privateKey)}AAAA\n`,
    code: "SIGNATURE_REFUSED",
    sentence:
      `${LOOKED_FOR} SIGNATURE line 1, which is not of this component by one of these keys; ` +
      "SIGNATURE line 2, which is shorter than a signature, which has one line to itself",
  },
  {
    title: "a signature's file with something else in it",
    filter: "signed",
    bytes: () => variant(FILTER, "garbled"),
    signature: () => "-----BEGIN SIGNATURE-----\n",
    code: "SIGNATURE_REFUSED",
    sentence: `${LOOKED_FOR} SIGNATURE line 1, which is no base64`,
  },
  {
    title: "a signature's file with nothing in it",
    filter: "signed",
    bytes: () => variant(FILTER, "empty"),
    signature: () => "\n",
    code: "SIGNATURE_REFUSED",
    sentence: `${LOOKED_FOR} SIGNATURE, which is empty`,
  },
];

/** A line for a signature's file. */
export function signed(bytes: Uint8Array, key: ReturnType<typeof newKeys>["privateKey"]): string {
  const hash = key.asymmetricKeyType === "ed25519" ? null : "sha256";
  return `${sign(hash, Buffer.from(`sha256:${digestOf(bytes)}`), key).toString("base64")}\n`;
}

async function made(wit: string, world: string): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-bad-"));
  try {
    return readFileSync(await dummy(join(folder, "made.wasm"), wit, world));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
