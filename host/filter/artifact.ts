import { createHash } from "node:crypto";
import { access, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { FUELED } from "../config/fuel-limits.ts";
import { ArtifactRefused } from "./contract.ts";
import { rewriterVersion } from "./rewriter.ts";
import type { ArtifactRecord, TranspileAnswer, TranspileRequest } from "./transpile-thread.ts";

/** A component's bytes in the form that workers run, known by the digest of the bytes. Survives a postMessage. */
export interface Artifact {
  /** SHA-256 of the component, lower-case hex. */
  readonly digest: string;
  /** Full names of the interfaces that it imports. */
  readonly imports: readonly string[];
  /** Whether the host calls its main module itself; otherwise jco's code does. */
  readonly direct: boolean;
  /** Whether it exports the contract's optional part `state`: what one version hands to the next. */
  readonly state: boolean;
  /** The maximum of its memory, in bytes, with which it was rewritten. */
  readonly memoryBytesMax: number;
  readonly main: WebAssembly.Module;
  /** SHA-256 of the main module's code as it was before it was rewritten: what names and lines are for. */
  readonly code: string;
  /** What jco's code needs: the file to import, and the core modules by name. */
  readonly linked: {
    readonly script: string;
    readonly modules: Readonly<Record<string, WebAssembly.Module>>;
  };
}

/** Reads components and keeps their transpiled form on disk, so that nothing is transpiled twice. */
export class ArtifactStore {
  readonly #folder: string;
  readonly #thread = new TranspileThread();
  /** By digest and memory: compiled once for all filters and generations that use it, and forgotten with the last of them. */
  readonly #loaded = new Map<string, WeakRef<Artifact>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Reads a component and rewrites its core modules so that their memory has this maximum and their code consumes fuel. Rejects
   * with an `ArtifactRefused` whose sentence names the file and what is wrong with it.
   */
  async load(
    path: string,
    sha256: string | undefined,
    memoryBytesMax: number = FUELED.memoryBytesMax.default,
  ): Promise<Artifact> {
    const bytes = await readComponent(path);
    const digest = createHash("sha256").update(bytes).digest("hex");
    if (sha256 !== undefined && sha256 !== digest) {
      throw new ArtifactRefused(`${path} has the digest ${digest}, and ${sha256} was asked for`);
    }
    const pages = Math.floor(memoryBytesMax / PAGE_BYTES);
    const key = `${digest} ${pages}`;
    const loaded = this.#loaded.get(key)?.deref();
    if (loaded !== undefined) return loaded;
    const artifact = await this.#open(path, bytes, digest, pages);
    this.#loaded.set(key, new WeakRef(artifact));
    return artifact;
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }

  async #open(path: string, bytes: Buffer, digest: string, pages: number): Promise<Artifact> {
    // The form changes with the code of host and meter, so their versions are part of the name.
    const folder = join(this.#folder, `${digest}-${FORM}-${await rewriterVersion()}-${pages}`);
    const kept = await readKept(folder, digest, pages);
    if (kept !== undefined) return kept;
    // What is there all the same is damaged: a disk was full, or somebody has tidied up.
    await rm(folder, { recursive: true, force: true });
    const answer = await this.#thread.transpile({ bytes, store: this.#folder, folder, pages });
    if (answer.kind === "refused") throw new ArtifactRefused(`${path} ${answer.sentence}`);
    if (answer.kind === "failed")
      throw new ArtifactRefused(`${path} cannot be transpiled: ${answer.message}`);
    const fresh = await readKept(folder, digest, pages);
    if (fresh === undefined) throw new ArtifactRefused(`${folder} cannot be written or read`);
    return fresh;
  }
}

const PAGE_BYTES = 65_536;

/** Names the form of what is kept: raised when the host's code or jco's makes older forms useless. */
const FORM = "jco-0.15.0-4";

async function readComponent(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unreadable";
    throw new ArtifactRefused(`${path} cannot be read (${code})`, { cause: error });
  }
}

/** Undefined when it is not there, or not whole. */
async function readKept(folder: string, digest: string, pages: number): Promise<Artifact | undefined> {
  const script = join(folder, "component.js");
  try {
    const text = await readFile(join(folder, "artifact.json"), "utf8");
    const {
      imports,
      direct,
      state,
      code,
      main: mainName,
      modules: names,
    } = JSON.parse(text) as ArtifactRecord;
    const modules: Record<string, WebAssembly.Module> = {};
    for (const name of names)
      modules[name] = await WebAssembly.compile(new Uint8Array(await readFile(join(folder, name))));
    const main = modules[mainName];
    if (main === undefined) return undefined;
    await access(script);
    return {
      digest,
      imports,
      direct,
      state,
      memoryBytesMax: pages * PAGE_BYTES,
      main,
      code,
      linked: { script, modules },
    };
  } catch {
    return undefined;
  }
}

/** The thread that transpiles: started by the first component that is new, ended with the store. */
class TranspileThread {
  #worker: Worker | undefined;
  #last = 0;
  readonly #waiting = new Map<number, (answer: TranspileAnswer) => void>();

  transpile(asked: Omit<TranspileRequest, "id">): Promise<TranspileAnswer> {
    this.#worker ??= this.#start();
    this.#last += 1;
    const request: TranspileRequest = { id: this.#last, ...asked };
    const worker = this.#worker;
    // The thread keeps the process alive only while somebody waits for it.
    worker.ref();
    return new Promise((resolve) => {
      this.#waiting.set(request.id, resolve);
      worker.postMessage(request);
    });
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(
      new URL(
        import.meta.url.endsWith(".ts") ? "./transpile-thread.ts" : "./transpile-thread.js",
        import.meta.url,
      ),
    );
    worker.on("message", (answer: TranspileAnswer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
      if (this.#waiting.size === 0) worker.unref();
    });
    // A component that breaks the transpiler costs its own load: the next one gets a new thread.
    const lost = (error: unknown): void => {
      this.#worker = undefined;
      for (const [id, done] of this.#waiting) done({ id, kind: "failed", message: String(error) });
      this.#waiting.clear();
    };
    worker.on("error", lost);
    worker.on("exit", (code) => lost(`the transpiler's thread ended with ${code}`));
    return worker;
  }
}
