import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { componentWit } from "@bytecodealliance/jco-transpile/wasm-tools";
import { type Artifact, ArtifactStore } from "../filter/artifact.ts";
import { ArtifactRefused } from "../filter/contract.ts";
import { type NeededGrant, neededGrants } from "../filter/grants.ts";
import { worldOf } from "../filter/world.ts";
import {
  type CrateSize,
  crateSizes,
  debugFileOf,
  hasSameCode,
  type PartSize,
  sectionSizes,
} from "./code-size.ts";
import { KitError } from "./kit-error.ts";
import { type Phases, phasesOf } from "./phases.ts";
import { type Producers, producersOf } from "./producers.ts";

/** What a component is, and what a host would make of it. Plain data: `--json` prints it as it is. */
export interface ComponentReport {
  readonly file: string;
  readonly bytes: number;
  /** SHA-256, lower-case hex. */
  readonly digest: string;
  readonly imports: readonly string[];
  readonly exports: readonly string[];
  /** Why a host refuses it, in the host's own words; null when it does not. */
  readonly refused: string | null;
  /** How a host calls it; null when it is refused. */
  readonly path: "direct" | "reference" | null;
  /** What an operator must grant. */
  readonly grants: readonly NeededGrant[];
  readonly phases: Phases;
  /** Sections by size. */
  readonly sections: readonly PartSize[];
  /** Code by crate; null without names. */
  readonly crates: readonly CrateSize[] | null;
  /** The file with names and lines beside it, and whether it is of the same code; null without one. */
  readonly debug: { readonly file: string; readonly sameCode: boolean } | null;
  readonly producers: Producers;
  /** Files beside it that may hold its signature. Nothing of them is checked here. */
  readonly signatures: readonly string[];
}

/**
 * Reads a component and loads it as a host would. `config` is what `configure` gets; undefined when none is known. Rejects with a
 * `KitError` when the file cannot be read or is no component.
 */
export async function reportOf(file: string, config: unknown): Promise<ComponentReport> {
  const bytes = await read(file);
  const folder = await mkdtemp(join(tmpdir(), "sluice-inspect-"));
  try {
    const loaded = await load(file, folder);
    const world = worldOf(await witOf(bytes, loaded));
    const artifact = typeof loaded === "string" ? undefined : loaded;
    const grants = neededGrants(artifact?.imports ?? world.imports);
    const debug = debugFileOf(file);
    return {
      file,
      bytes: bytes.length,
      digest: createHash("sha256").update(bytes).digest("hex"),
      ...world,
      refused: typeof loaded === "string" ? loaded : null,
      path: artifact === undefined ? null : artifact.direct ? "direct" : "reference",
      grants,
      phases:
        typeof loaded === "string"
          ? { known: false, why: "a host refuses it" }
          : await phasesOf(file, grants, config, folder),
      sections: sectionSizes(bytes),
      crates: (await crateSizes(file, bytes))?.crates ?? null,
      debug: existsSync(debug) ? { file: debug, sameCode: await hasSameCode(debug, bytes) } : null,
      producers: producersOf(bytes),
      signatures: SIGNATURE_SUFFIXES.map((suffix) => file + suffix).filter((path) => existsSync(path)),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What is put behind the name of a component's file. */
const SIGNATURE_SUFFIXES: readonly string[] = [".sig", ".sigstore.json"];

/** Where the preamble tells components from modules. */
const LAYER = 6;
const COMPONENT = 1;

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unreadable";
    throw new KitError(`${file} cannot be read (${code}).`, { cause: error });
  }
}

/** Its artifact, or the sentence with which the host refuses it. */
async function load(file: string, folder: string): Promise<Artifact | string> {
  const store = new ArtifactStore(folder);
  try {
    return await store.load(file, undefined);
  } catch (error) {
    if (!(error instanceof ArtifactRefused)) throw error;
    return error.message;
  } finally {
    await store.close();
  }
}

/** Of what is no component nothing is to be told but why it is refused. */
async function witOf(bytes: Buffer, loaded: Artifact | string): Promise<string> {
  if (typeof loaded === "string" && bytes[LAYER] !== COMPONENT) throw new KitError(`${loaded}.`);
  try {
    return await componentWit(bytes);
  } catch (error) {
    if (typeof loaded !== "string") throw error;
    throw new KitError(`${loaded}.`, { cause: error });
  }
}
