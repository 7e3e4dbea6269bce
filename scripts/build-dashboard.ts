/**
 * Builds the dashboard of the admin address from `dashboard/`:
 *
 *   node scripts/build-dashboard.ts [folder]         .sluice/dashboard without one
 *
 * What is newer than all that it is made of is not built again.
 */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { build } from "esbuild";
import { ROOT } from "./build-step.ts";

const SOURCES = join(ROOT, "dashboard");

/** Where a host that runs from the repository looks for it. */
export const DASHBOARD_DIRECTORY: string = join(ROOT, ".sluice", "dashboard");

/** Becomes part of the page, and has to be named in it. */
const LIBRARIES = ["preact", "uplot"];

/** Brings the dashboard in this folder up to date. */
export async function buildDashboard(folder: string = DASHBOARD_DIRECTORY): Promise<void> {
  const started = performance.now();
  if (isFresh(join(folder, "app.js"))) return;
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: { app: join(SOURCES, "main.tsx") },
    outdir: folder,
    bundle: true,
    minify: true,
    format: "esm",
    target: ["chrome120", "firefox121", "safari17"],
    jsx: "automatic",
    jsxImportSource: "preact",
    logLevel: "warning",
  });
  for (const name of ["index.html", "icon.svg"])
    writeFileSync(join(folder, name), readFileSync(join(SOURCES, name)));
  writeFileSync(join(folder, "licenses.txt"), LIBRARIES.map(licenseOf).join("\n"));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`dashboard: built in ${relative(ROOT, folder)} (${seconds} s)`);
}

function isFresh(built: string): boolean {
  const made = statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const parts = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).map((name) =>
    join(SOURCES, name),
  );
  const whole = [...parts, join(ROOT, "package-lock.json"), import.meta.filename];
  return whole.every((part) => statSync(part).mtimeMs < made);
}

function licenseOf(library: string): string {
  return `${library}\n\n${readFileSync(join(ROOT, "node_modules", library, "LICENSE"), "utf8")}`;
}

if (import.meta.main) await buildDashboard(process.argv[2]);
