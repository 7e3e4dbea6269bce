import { readdirSync, statSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Evidence } from "../trust/evidence.ts";
import { digestOf } from "./component-store.ts";
import { ArtifactRefused } from "./contract.ts";
import type { GrantName } from "./grants.ts";

/** A component that a registry has, of which its description has been read. */
export interface RemoteComponent {
  readonly digest: string;
  fetch(): Promise<Buffer>;
  signatures(): Promise<readonly Omit<Evidence, "from">[]>;
}

/** Finds components by references. What is no filter, or imports what the filter is not granted, is refused unfetched. */
export interface Registry {
  resolve(
    reference: string,
    asking: { readonly filter: string; readonly granted: readonly GrantName[] },
  ): Promise<RemoteComponent>;
}

/** Where components and their signatures are found, besides in files. Rejects with an `ArtifactRefused`. */
export interface Places {
  registry(): Promise<Registry>;
  /** The signatures that lie beside a file. */
  evidenceBeside(file: string): Promise<readonly Evidence[]>;
}

/** Who wants a component, and what it may be. */
export interface Wanted {
  /** Its name; empty when it is for none. */
  readonly filter: string;
  /** A file, a folder or a reference; a file alone where no filter is named. */
  readonly component: string;
  /** The digest that it must have. */
  readonly sha256: string | null;
  /** How long it may be. */
  readonly bytesMax: number;
  readonly granted: readonly GrantName[];
  /** Whether signatures are looked for. */
  readonly signed: boolean;
}

/** A component that was found; its bytes are asked for when they are needed. */
export interface Found {
  /** The file or the reference, for sentences. */
  readonly place: string;
  readonly digest: string;
  bytes(): Promise<Buffer>;
  readonly evidence: readonly Evidence[];
}

/** Finds a component where the configuration says that it is. Rejects with an `ArtifactRefused`. */
export function find(wanted: Wanted, places: Places): Promise<Found> {
  return isReference(wanted.component)
    ? findRemote(wanted, places)
    : findFile(wanted, componentFile(wanted.component, wanted.filter), places);
}

export function isReference(component: string): boolean {
  return component.startsWith("oci://");
}

/**
 * The file that a path means: itself, or within a folder the one that is named for the filter, or the only one there. It is
 * where it would be when there is none. For no filter it is the path.
 */
export function componentFile(path: string, filter: string): string {
  const names = filter === "" ? undefined : componentsIn(path);
  if (names === undefined) return path;
  const own = ownNames(filter).find((name) => names.includes(name));
  return join(path, own ?? (names.length === 1 ? (names[0] as string) : `${filter}.wasm`));
}

/** The files that may come to be the one that a path means: in a folder also those that are not there yet. */
export function possibleFiles(path: string, filter: string): readonly string[] {
  const file = componentFile(path, filter);
  return file === path ? [path] : [...new Set([file, ...ownNames(filter).map((name) => join(path, name))])];
}

function ownNames(filter: string): readonly string[] {
  return [`${filter}.wasm`, `${filter.replaceAll("-", "_")}.wasm`];
}

/** The components of a folder; undefined for what is none. */
function componentsIn(path: string): readonly string[] | undefined {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
  return readdirSync(path)
    .filter((name) => name.endsWith(".wasm") && !name.endsWith(".debug.wasm"))
    .toSorted();
}

async function findFile(wanted: Wanted, file: string, places: Places): Promise<Found> {
  const { sha256, signed } = wanted;
  const bytes = await readComponent(file, wanted);
  const digest = digestOf(bytes);
  if (sha256 !== null && sha256 !== digest)
    throw new ArtifactRefused(`${file} has the digest ${digest}, and ${sha256} was asked for`);
  const evidence = signed ? await places.evidenceBeside(file) : [];
  return { place: file, digest, bytes: () => Promise.resolve(bytes), evidence };
}

async function findRemote(
  { filter, component, sha256, granted, signed }: Wanted,
  places: Places,
): Promise<Found> {
  const registry = await places.registry();
  const remote = await registry.resolve(component, { filter, granted });
  const { digest } = remote;
  if (sha256 !== null && sha256 !== digest)
    throw new ArtifactRefused(`${component} has the digest ${digest}, and ${sha256} was asked for`);
  const evidence = signed ? await remote.signatures() : [];
  return {
    place: component,
    digest,
    bytes: () => remote.fetch(),
    evidence: evidence.map((signature) => ({ ...signature, from: component })),
  };
}

async function readComponent(file: string, { component, filter, bytesMax }: Wanted): Promise<Buffer> {
  try {
    const stats = await stat(file);
    // A device or a pipe may give bytes for ever, or never.
    if (!stats.isFile() && !stats.isDirectory())
      throw new ArtifactRefused(`${file} is no file with a component`);
    if (stats.size > bytesMax)
      throw new ArtifactRefused(
        `${file} has ${stats.size} bytes, and limits.component-bytes allows ${bytesMax}`,
      );
    return await readFile(file);
  } catch (error) {
    if (error instanceof ArtifactRefused) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "unreadable";
    const folder = file === component ? "" : `: ${whyNone(component, filter)}`;
    throw new ArtifactRefused(`${file} cannot be read (${code})${folder}`, { cause: error });
  }
}

/** Why a folder has no component for a filter. */
function whyNone(folder: string, filter: string): string {
  const names = componentsIn(folder) ?? [];
  if (names.length < 2) return `the folder ${folder} has no component for it`;
  const shown = names.length > NAMES_SHOWN ? [...names.slice(0, NAMES_SHOWN), "more"] : names;
  return `the folder ${folder} has ${names.length} components, and none is named for ${filter}: ${shown.join(", ")}`;
}

const NAMES_SHOWN = 5;
