import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { buildComponent, type FilterCrate, workspaceOf } from "./cargo.ts";
import { debugFileOf } from "./code-size.ts";
import { KitError } from "./kit-error.ts";
import { stripped } from "./strip.ts";

export interface BuildRequest {
  /** Of the project, or within it. */
  readonly folder: string;
  /** The crate, where there are several. */
  readonly package?: string | undefined;
  /** Where the component is put; `sluice` in cargo's target folder when it is not given. */
  readonly out?: string | undefined;
  /** Ends the build, and all that cargo has begun for it. */
  readonly signal?: AbortSignal | undefined;
}

export interface Built {
  readonly crate: FilterCrate;
  /** What is served. */
  readonly file: string;
  /** The same code with names and lines. */
  readonly debug: string;
  /** Whether the component is another one than before. */
  readonly changed: boolean;
}

/**
 * Builds a filter, with cargo's own progress on the terminal: the component, and beside it the one with names and lines. Rejects with a
 * `KitError`.
 */
export async function build(request: BuildRequest): Promise<Built> {
  const { crate, file } = projectOf(request);
  const whole = await readFile(await buildComponent(request.folder, crate, request.signal));
  const debug = debugFileOf(file);
  await mkdir(dirname(file), { recursive: true });
  // First what is known of the code, then the code: a proxy that watches finds both.
  await refresh(debug, whole);
  return { crate, file, debug, changed: await refresh(file, stripped(whole)) };
}

/** The crate that is built, and where its component is put. Throws a `KitError` when there is none, or cargo refuses the project. */
export function projectOf(request: BuildRequest): Pick<Built, "crate" | "file"> {
  const { crates, targetDirectory } = workspaceOf(request.folder);
  const crate = chosen(crates, request);
  return { crate, file: join(outOf(request, targetDirectory), `${crate.name}.wasm`) };
}

function outOf({ folder, out }: BuildRequest, targetDirectory: string): string {
  return out === undefined ? join(targetDirectory, "sluice") : resolve(folder, out);
}

/** The crate that was named, or the only one, or the one whose folder this is. */
function chosen(crates: readonly FilterCrate[], { folder, package: named }: BuildRequest): FilterCrate {
  const names = crates.map((crate) => crate.package).join(", ");
  if (crates.length === 0)
    throw new KitError(
      'No crate here becomes a component: that takes `crate-type = ["cdylib", "rlib"]` under [lib].',
    );
  if (named !== undefined) {
    const found = crates.find((crate) => crate.package === named);
    if (found === undefined) throw new KitError(`No filter here is named ${named}: there are ${names}.`);
    return found;
  }
  const here = resolve(folder, "Cargo.toml");
  const [only] = crates.length === 1 ? crates : crates.filter(({ manifest }) => manifest === here);
  if (only === undefined)
    throw new KitError(`There are several filters here; say which with --package: ${names}.`);
  return only;
}

/** Writes a file whose bytes differ, and renames it into its place: who watches it sees neither half a file nor a change that is none. */
async function refresh(file: string, bytes: Buffer): Promise<boolean> {
  const before = await readFile(file).catch(() => undefined);
  if (before?.equals(bytes)) return false;
  const staged = `${file}.${process.pid}.staged`;
  await writeFile(staged, bytes);
  await rename(staged, file);
  return true;
}
