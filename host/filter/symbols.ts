import { Worker } from "node:worker_threads";
import type { Artifact } from "./artifact.ts";
import type { Frame } from "./fault.ts";
import { OffsetMap } from "./offset-map.ts";
import type { SymbolAnswer, SymbolRequest } from "./symbol-thread.ts";

/** A module that runs, with the digest of its code, and the file that it is from. */
export interface Served {
  readonly artifact: Pick<Artifact, "main" | "code">;
  readonly file: string;
}

/**
 * Finds out where in its sources a filter has failed: from names and lines in the component itself, or in the file beside it that
 * ends in `.debug.wasm`. Reads them in a thread of its own, which the first failure starts.
 */
export class SymbolReader {
  #worker: Worker | undefined;
  #last = 0;
  readonly #waiting = new Map<number, (texts: readonly string[]) => void>();
  readonly #maps = new WeakMap<WebAssembly.Module, OffsetMap>();
  /** Stacks that have been read, by the code and the places: a filter fails where it has failed before. */
  readonly #known = new Map<string, Promise<readonly string[]>>();

  /**
   * A line of the log, as JSON, with one more member: the stack. Of a filter that was swapped a moment ago nothing is known any more
   * but the places. Never rejects.
   */
  async complete(line: string, served: Served | undefined, frames: readonly Frame[]): Promise<string> {
    const stack = served === undefined ? frames.map(rawPlace) : await this.#stackOf(served, frames);
    return `${JSON.stringify({ ...(JSON.parse(line) as object), stack })}\n`;
  }

  /** For each frame the place of its function, without those that are inlined there; what the engine calls it where nothing is known. */
  async functionsOf(served: Served, frames: readonly Frame[]): Promise<readonly string[]> {
    const { original, texts } = await this.#placesOf(served, frames);
    return original.map((frame, at) => (texts[at] ?? "").split("\n").at(-1) || rawPlace(frame));
  }

  /** Innermost first. */
  async #stackOf(served: Served, frames: readonly Frame[]): Promise<readonly string[]> {
    const { original, texts } = await this.#placesOf(served, frames);
    return withoutPanic(
      original.flatMap((frame, at) => {
        const text = texts[at] ?? "";
        return text === "" ? [rawPlace(frame)] : text.split("\n");
      }),
    );
  }

  async #placesOf(
    { artifact, file }: Served,
    frames: readonly Frame[],
  ): Promise<{ readonly original: readonly Frame[]; readonly texts: readonly string[] }> {
    let map = this.#maps.get(artifact.main);
    if (map === undefined) {
      map = new OffsetMap(artifact.main);
      this.#maps.set(artifact.main, map);
    }
    const original = frames.map(({ function: index, offset }) => ({
      function: index,
      offset: map.original(offset) ?? offset,
    }));
    const places = new Uint32Array(original.flatMap(({ function: index, offset }) => [index, offset]));
    const key = `${artifact.code} ${file} ${places.join()}`;
    let texts = this.#known.get(key);
    if (texts === undefined) {
      if (this.#known.size >= KNOWN_MAX) this.#known.clear();
      const files = [file.replace(/(\.wasm)?$/, ".debug.wasm"), file];
      texts = this.#ask({ files, code: artifact.code, places });
      this.#known.set(key, texts);
    }
    return { original, texts: await texts };
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #ask(asked: Omit<SymbolRequest, "id">): Promise<readonly string[]> {
    this.#worker ??= this.#start();
    this.#last += 1;
    const request: SymbolRequest = { id: this.#last, ...asked };
    const worker = this.#worker;
    return new Promise((resolve) => {
      this.#waiting.set(request.id, resolve);
      worker.postMessage(request);
    });
  }

  #start(): Worker {
    const script = import.meta.url.endsWith(".ts") ? "./symbol-thread.ts" : "./symbol-thread.js";
    const worker = new Worker(new URL(script, import.meta.url));
    worker.unref();
    worker.on("message", ({ id, texts }: SymbolAnswer) => {
      this.#waiting.get(id)?.(texts);
      this.#waiting.delete(id);
    });
    const lost = (): void => {
      this.#worker = undefined;
      for (const done of this.#waiting.values()) done([]);
      this.#waiting.clear();
    };
    worker.on("error", lost);
    worker.on("exit", lost);
    return worker;
  }
}

function rawPlace({ function: index, offset }: Frame): string {
  return `wasm-function[${index}]:0x${offset.toString(16)}`;
}

/** Without what a panic itself calls before it ends: the message says all that is to be said of it. */
function withoutPanic(stack: readonly string[]): readonly string[] {
  const last = stack.findLastIndex((place) => PANIC.test(place));
  return last + 1 < stack.length ? stack.slice(last + 1) : stack;
}

// Test harnesses catch panics, by functions of the same module.
const PANIC =
  /^(core::panicking::|std::panicking::(?!catch_unwind|try\b)|rust_panic|__rustc::rust_(begin_unwind|panic))/;

/** Stacks that are kept at the most. */
const KNOWN_MAX = 256;
