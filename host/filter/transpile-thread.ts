import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parentPort } from "node:worker_threads";
import { transpileBytes } from "@bytecodealliance/jco-transpile";
import { componentWit } from "@bytecodealliance/jco-transpile/wasm-tools";
import { METHODS } from "./core-exports.ts";
import { isDirect } from "./direct.ts";
import { codeOf, digestOf } from "./sections.ts";
import { loadRewriter, type Rewriter, START_FUEL } from "./rewriter.ts";
import { calledOf, FILTER, isStateful, whyNoFilter, whyOtherContract, worldOf } from "./world.ts";
import { WAITING } from "./imports/http-client.ts";

/** Asks for the form of a component that can be run, to be kept in `folder`. */
export interface TranspileRequest {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly store: string;
  readonly folder: string;
  /** The maximum of its memory. */
  readonly pages: number;
}

export type TranspileAnswer =
  | { readonly id: number; readonly kind: "ready" }
  /** The component is none of ours; the sentence says why, and begins with a verb. */
  | { readonly id: number; readonly kind: "refused"; readonly sentence: string }
  | { readonly id: number; readonly kind: "failed"; readonly message: string };

/** What is known of a transpiled component: `artifact.json` in its folder. */
export interface ArtifactRecord {
  readonly imports: readonly string[];
  readonly direct: boolean;
  /** Whether it exports the contract's optional part `state`. */
  readonly state: boolean;
  /** SHA-256 of its code, as it was before it was rewritten. */
  readonly code: string;
  /** The core module that holds the guest's code. */
  readonly main: string;
  /** All core modules, by the names that the component's JavaScript asks for. */
  readonly modules: readonly string[];
}

parentPort?.on("message", (request: TranspileRequest) => {
  void answer(request).then((message) => parentPort?.postMessage(message));
});

async function answer(request: TranspileRequest): Promise<TranspileAnswer> {
  const { id } = request;
  try {
    const sentence = await transpile(request);
    return sentence === undefined ? { id, kind: "ready" } : { id, kind: "refused", sentence };
  } catch (error) {
    return { id, kind: "failed", message: error instanceof Error ? error.message : String(error) };
  }
}

/** Undefined: the folder is there. Otherwise the sentence of a refusal. */
async function transpile({ bytes, store, folder, pages }: TranspileRequest): Promise<string | undefined> {
  let wit: string;
  try {
    wit = await componentWit(bytes);
  } catch (error) {
    return `is no valid component: ${firstLine(error)}`;
  }
  const world = worldOf(wit);
  const notFilter = whyNoFilter(world);
  if (notFilter !== undefined) return notFilter;
  const { files } = await transpileBytes(bytes, {
    name: "component",
    instantiation: "sync",
    base64Cutoff: 0,
    ...(world.imports.some((name) => WAITING.has(name)) ? PHASES_WAIT : {}),
  });
  const sources = declarations(files);
  const other = whyOtherContract(sources);
  if (other !== undefined) return other;
  const codes = new Map(modulesOf(files).map((name) => [name, digestOf(codeOf(files[name] as Uint8Array))]));
  const notMetered = await meterModules(files, pages);
  if (notMetered !== undefined) return notMetered;
  await keep(store, folder, files, codes, calledOf(world.imports, sources), isStateful(world));
  return undefined;
}

/** Puts rewritten modules in the place of the files' own. Otherwise the sentence of a refusal. */
async function meterModules(files: Record<string, Uint8Array>, pages: number): Promise<string | undefined> {
  rewriter ??= await loadRewriter();
  for (const name of modulesOf(files)) {
    try {
      files[name] = rewriter.meter(files[name] as Uint8Array, pages, START_FUEL);
    } catch (error) {
      // A string is the meter's own sentence; its subject is the module.
      if (typeof error !== "string") throw error;
      return `cannot be metered: its module ${name} ${error}`;
    }
  }
  return undefined;
}

let rewriter: Rewriter | undefined;

function modulesOf(files: Record<string, Uint8Array>): string[] {
  return Object.keys(files).filter((name) => name.endsWith(".wasm"));
}

/** Writes the folder beside its place and renames it there, so that a reader never finds half of it. */
async function keep(
  store: string,
  folder: string,
  files: Record<string, Uint8Array>,
  codes: ReadonlyMap<string, string>,
  imports: readonly string[],
  state: boolean,
): Promise<void> {
  await mkdir(store, { recursive: true });
  const fresh = await mkdtemp(join(store, "new-"));
  const modules = modulesOf(files);
  for (const name of [...modules, "component.js"]) await writeFile(join(fresh, name), files[name] ?? "");
  const main = modules.find((name) =>
    WebAssembly.Module.exports(compile(files, name)).some((item) => item.name === `${FILTER}#configure`),
  );
  if (main === undefined) throw new Error("no core module exports configure");
  const record: ArtifactRecord = {
    imports,
    direct: isDirect(compile(files, main), state),
    state,
    code: codes.get(main) ?? "",
    main,
    modules,
  };
  await writeFile(join(fresh, "artifact.json"), JSON.stringify(record));
  await writeFile(join(fresh, "package.json"), '{"type":"module"}');
  try {
    await rename(fresh, folder);
  } catch {
    // Another process was first with the same bytes, and so with the same result.
    await rm(fresh, { recursive: true, force: true });
  }
}

function compile(files: Record<string, Uint8Array>, name: string): WebAssembly.Module {
  return new WebAssembly.Module(files[name] as Uint8Array<ArrayBuffer>);
}

/** jco's declarations by the interface that their first line names. */
function declarations(files: Record<string, Uint8Array>): Map<string, string> {
  const sources = new Map<string, string>();
  for (const [path, bytes] of Object.entries(files)) {
    if (!path.startsWith("interfaces/")) continue;
    const text = new TextDecoder().decode(bytes);
    const name = /@module Interface (\S+)/.exec(text)?.[1];
    if (name !== undefined) sources.set(name, text);
  }
  return sources;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}

/** How jco links a component whose phases may wait. */
const PHASES_WAIT: Parameters<typeof transpileBytes>[1] = {
  asyncMode: "jspi",
  asyncImports: ["sluice:filter/http-client@0.1.0#send"],
  asyncExports: METHODS.map((method) => `${FILTER}#[method]exchange.${method}`),
};
