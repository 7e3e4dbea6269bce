import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../config/load.ts";
import { KitError } from "../kit/kit-error.ts";
import { testFile } from "../slo/alert-tests.ts";
import { ruleFile } from "../slo/alerts.ts";
import { dashboardFile } from "../slo/dashboard.ts";
import { type Slo, slosOf } from "../slo/slo.ts";
import { printJson } from "./asking.ts";
import { printable } from "./complaint.ts";
import { DONE } from "./exit-code.ts";

export interface SloInitOptions {
  readonly c: string;
  readonly out: string;
  readonly force?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** What becomes of a file. One that `differs` from what would be written stays as it is. */
interface Target {
  readonly path: string;
  readonly text: string;
  readonly state: "written" | "unchanged" | "differs";
}

/** Writes what watches over the SLOs of a configuration: all of it, or nothing. */
export function sloInit({ c, out, force = false, json = false }: SloInitOptions): number {
  const slos = slosOf(loadConfig(c));
  if (slos.length === 0) {
    throw new KitError(
      `${c} asks nothing of any route: an slo says how well one has to serve (docs/slo.md).`,
    );
  }
  const targets = filesFor(slos).map(({ name, text }) => targetOf(join(out, name), text, force));
  const differing = targets.filter(({ state }) => state === "differs");
  if (differing.length > 0) {
    const names = differing.map(({ path }) => path).join(", ");
    if (json) printJson({ files: [], differing: differing.map(({ path }) => path) });
    throw new KitError(
      `${names} ${differing.length === 1 ? "differs" : "differ"} from what would be written; --force overwrites.`,
    );
  }
  mkdirSync(out, { recursive: true });
  for (const { path, text, state } of targets) if (state === "written") writeFileSync(path, text);
  if (json) printJson({ files: targets.map(({ path, state }) => ({ path, state })), differing: [] });
  else process.stdout.write(targets.map(({ path, state }) => printable(`${path}: ${state}\n`)).join(""));
  return DONE;
}

function filesFor(slos: readonly Slo[]): { readonly name: string; readonly text: string }[] {
  return [
    { name: RULES, text: ruleFile(slos) },
    { name: "sluice-slo.tests.yml", text: testFile(slos, RULES) },
    { name: "sluice.dashboard.json", text: dashboardFile() },
  ];
}

const RULES = "sluice-slo.rules.yml";

function targetOf(path: string, text: string, force: boolean): Target {
  if (!existsSync(path)) return { path, text, state: "written" };
  if (readFileSync(path, "utf8") === text) return { path, text, state: "unchanged" };
  return { path, text, state: force ? "written" : "differs" };
}
