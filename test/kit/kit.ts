import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Case } from "../../host/kit/case.ts";
import { readCases } from "../../host/kit/case-file.ts";
import { type SuiteReport, runSuite } from "../../host/kit/case-suite.ts";
import type { Kit } from "../../host/kit/engine.ts";

const BUILT = join(import.meta.dirname, "..", "..", ".sluice");

/** What compiled components are kept in. */
export const COMPILED: string = join(BUILT, "store");

export function component(name: string): string {
  return join(BUILT, "filters", `${name}.wasm`);
}

/** A folder that is gone when the test is over. */
export function temporaryFolder(): { readonly folder: string; [Symbol.dispose](): void } {
  const folder = mkdtempSync(join(tmpdir(), "sluice-cases-"));
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Cases from text, as if they were in a file of a folder. */
export function casesOf(text: string, folder = "/cases"): Case[] {
  return readCases(text, join(folder, "some.yaml"));
}

/** Writes case files, and gives the folder. */
export function caseFolder(folder: string, files: Readonly<Record<string, string>>): string {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** Runs the cases of a text with a component of this repository. */
export async function suite(
  kit: Kit,
  name: string,
  text: string,
  options: { readonly invariance?: boolean } = {},
): Promise<SuiteReport> {
  const { invariance = false } = options;
  return await runSuite(
    kit,
    casesOf(text),
    { component: component(name), update: false, invariance },
    () => {},
  );
}
