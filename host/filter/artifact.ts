import { access, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { FUELED } from "../config/fuel-limits.ts";
import { HOST_LIMITS } from "../config/limits.ts";
import type { Evidence } from "../trust/evidence.ts";
import { ComponentStore, digestOf } from "./component-store.ts";
import { ArtifactRefused } from "./contract.ts";
import { rewriterVersion } from "./rewriter.ts";
import { whyNoComponent } from "./sections.ts";
import { find, type Places, type Wanted } from "./sources.ts";
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

/** Says why a component is not to be trusted; undefined when it is. */
export type TrustCheck = (
  component: { readonly digest: string; bytes(): Promise<Uint8Array> },
  evidence: readonly Evidence[],
) => Promise<string | undefined>;

/** Finds components, and keeps them and their transpiled form on disk, so that nothing is fetched or transpiled twice. */
export class ArtifactStore {
  readonly components: ComponentStore;
  readonly #folder: string;
  readonly #thread = new TranspileThread();
  /** By digest and memory: compiled once for all filters and generations that use it, and forgotten with the last of them. */
  readonly #loaded = new Map<string, WeakRef<Artifact>>();

  constructor(folder: string) {
    this.#folder = folder;
    this.components = new ComponentStore(folder);
  }

  /**
   * Finds a component, and keeps it. Gives its digest. Rejects with an `ArtifactRefused` whose sentence names the place and what is
   * wrong with it.
   */
  async take(wanted: Wanted, places: Places, trust?: TrustCheck): Promise<string> {
    const found = await find(wanted, places);
    const { digest, evidence } = found;
    const kept = await this.components.read(digest);
    const bytes = async (): Promise<Buffer> => kept ?? (await found.bytes());
    // Before it is fetched, where the signature is one of the digest alone.
    const why = await trust?.({ digest, bytes }, evidence);
    if (why !== undefined) throw new ArtifactRefused(`${found.place}: ${why}`, { code: "signature" });
    if (kept !== undefined && evidence.length === 0) {
      // Another host on this store may be about to remove what nobody has used for long.
      await this.components.touch(digest);
      return digest;
    }
    const fetched = await bytes();
    // Whatever a path leads to by mistake is not to be copied.
    const notComponent = whyNoComponent(fetched);
    if (notComponent !== undefined) throw new ArtifactRefused(`${found.place} ${notComponent}`);
    await this.#keep(digest, fetched, evidence, wanted.component);
    return digest;
  }

  /**
   * A component that was taken before, rewritten so that its memory has this maximum and its code consumes fuel. `name` is for
   * sentences. Rejects with an `ArtifactRefused`.
   */
  async open(name: string, digest: string, memoryBytesMax: number, trust?: TrustCheck): Promise<Artifact> {
    if (trust !== undefined) {
      const bytes = (): Promise<Buffer> => this.#read(name, digest);
      const why = await trust({ digest, bytes }, await this.components.evidence(digest));
      if (why !== undefined) throw new ArtifactRefused(`${name}: ${why}`, { code: "signature" });
    }
    const pages = Math.floor(memoryBytesMax / PAGE_BYTES);
    const key = `${digest} ${pages}`;
    const loaded = this.#loaded.get(key)?.deref();
    // Its files may be gone all the same: workers that are started later read them.
    if (loaded !== undefined && (await isThere(loaded.linked.script))) return loaded;
    const artifact = await this.#open(name, digest, pages);
    this.#loaded.set(key, new WeakRef(artifact));
    void this.components.touch(digest);
    return artifact;
  }

  /** Both, for a file. */
  async load(
    path: string,
    sha256: string | undefined,
    memoryBytesMax: number = FUELED.memoryBytesMax.default,
  ): Promise<Artifact> {
    const wanted: Wanted = {
      filter: "",
      component: path,
      sha256: sha256 ?? null,
      bytesMax: HOST_LIMITS.componentBytesMax.default,
      granted: [],
      signed: false,
    };
    return this.open(path, await this.take(wanted, FILES), memoryBytesMax);
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }

  async #keep(
    digest: string,
    bytes: Uint8Array,
    evidence: readonly Evidence[],
    component: string,
  ): Promise<void> {
    try {
      await this.components.keep(digest, bytes, evidence);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "unwritable";
      throw new ArtifactRefused(`${component} cannot be kept in ${this.#folder} (${code})`, { cause: error });
    }
  }

  async #read(name: string, digest: string): Promise<Buffer> {
    const bytes = await this.components.read(digest);
    if (bytes === undefined)
      throw new ArtifactRefused(`${name} is not in ${this.#folder} any more, by its digest ${digest}`);
    return bytes;
  }

  async #open(name: string, digest: string, pages: number): Promise<Artifact> {
    // The form changes with the code of host and meter, so their versions are part of the name.
    const form = `${FORM}-${await rewriterVersion()}-${pages}`;
    const folder = join(this.components.folderOf(digest), form);
    const kept = await readKept(folder, digest, pages);
    if (kept !== undefined) return kept;
    const bytes = await this.#read(name, digest);
    // What is there all the same is damaged: a disk was full, or somebody has tidied up.
    await rm(folder, { recursive: true, force: true }).catch(() => {});
    const store = this.components.folderOf(digest);
    const answer = await this.#thread.transpile({ bytes, store, folder, pages });
    if (answer.kind === "refused") {
      await this.components.removeFormless(digest);
      throw new ArtifactRefused(`${name} ${answer.sentence}`);
    }
    if (answer.kind === "unkept")
      throw new ArtifactRefused(`${name} cannot be kept in ${this.#folder} (${answer.code})`);
    if (answer.kind === "failed")
      throw new ArtifactRefused(`${name} cannot be transpiled: ${answer.message}`);
    const fresh = await readKept(folder, digest, pages);
    if (fresh === undefined) throw new ArtifactRefused(`${folder} cannot be written or read`);
    return fresh;
  }
}

/** For who has files alone. */
const FILES: Places = {
  registry: () => Promise.reject(new ArtifactRefused("no registry can be asked here")),
  evidenceBeside: () => Promise.resolve([]),
};

const PAGE_BYTES = 65_536;

/** Names the form of what is kept: raised when the host's code or jco's makes older forms useless. */
const FORM = "jco-0.15.0-6";

/** Undefined when it is not there, or not whole. */
async function readKept(folder: string, digest: string, pages: number): Promise<Artifact | undefined> {
  try {
    const text = await readFile(join(folder, "artifact.json"), "utf8");
    const {
      imports,
      direct,
      state,
      code,
      main: mainName,
      modules: names,
      files,
    } = JSON.parse(text) as ArtifactRecord;
    const modules: Record<string, WebAssembly.Module> = {};
    for (const [name, expected] of Object.entries(files)) {
      const bytes = await readFile(join(folder, name));
      if (digestOf(bytes) !== expected) return undefined;
      if (names.includes(name)) modules[name] = await WebAssembly.compile(new Uint8Array(bytes));
    }
    const main = modules[mainName];
    if (main === undefined) return undefined;
    return {
      digest,
      imports,
      direct,
      state,
      memoryBytesMax: pages * PAGE_BYTES,
      main,
      code,
      linked: { script: join(folder, "component.js"), modules },
    };
  } catch {
    return undefined;
  }
}

function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
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
