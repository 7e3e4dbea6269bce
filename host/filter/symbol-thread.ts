import { readFile } from "node:fs/promises";
import { parentPort } from "node:worker_threads";
import { loadRewriter, type Rewriter } from "./rewriter.ts";
import { codeOf, digestOf, modulesOf } from "./sections.ts";

/** Asks where places in the code of a component's main module are in its sources. */
export interface SymbolRequest {
  readonly id: number;
  /** Files that may know, the best one first. */
  readonly files: readonly string[];
  /** SHA-256 of the module's code: what is known of other code is worse than nothing. */
  readonly code: string;
  /** Function and offset in turn. */
  readonly places: Uint32Array;
}

export interface SymbolAnswer {
  readonly id: number;
  /** For each place lines, innermost first; empty where nothing is known. */
  readonly texts: readonly string[];
}

parentPort?.on("message", (request: SymbolRequest) => {
  void answer(request).then((texts) =>
    parentPort?.postMessage({ id: request.id, texts } satisfies SymbolAnswer),
  );
});

async function answer({ files, code, places }: SymbolRequest): Promise<readonly string[]> {
  rewriter ??= await loadRewriter();
  for (const file of files) {
    try {
      const component = await readFile(file);
      const module = modulesOf(component).find((candidate) => digestOf(codeOf(candidate)) === code);
      const texts = module === undefined ? [] : rewriter.symbolize(module, places);
      if (texts.some((text) => text !== "")) return texts;
    } catch {
      // No such file, or nothing that can be read: the next one may do.
    }
  }
  return [];
}

let rewriter: Rewriter | undefined;
