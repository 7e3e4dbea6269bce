import { createProject, type TemplateName } from "../kit/project.ts";
import { DONE } from "./exit-code.ts";

export interface NewOptions {
  readonly template: TemplateName;
}

/** Makes a Cargo project for a filter, and says what to do with it. */
export function createNew(name: string, { template }: NewOptions): number {
  const { files } = createProject({ name, template, within: process.cwd() });
  process.stdout.write(
    `${name}: ${files.length} files, from the template ${template}\n\n` +
      `  cd ${name}\n  cargo test\n  sluice build\n  sluice test\n\nREADME.md has the rest.\n`,
  );
  return DONE;
}
