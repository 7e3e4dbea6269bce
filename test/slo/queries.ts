import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { METRICS } from "../../host/ops/metrics.ts";

/** Metrics and labels in these queries for Prometheus that nobody exports. `records`: names that rules record. */
export function unknownIn(queries: readonly string[], records: readonly string[]): string[] {
  const parts = Object.entries(METRICS).flatMap(([name, { type }]) =>
    type === "histogram" ? ["_bucket", "_sum", "_count"].map((part) => name + part) : [name],
  );
  const metrics = new Set([...records, ...parts]);
  const labels = new Set([
    "job",
    "instance",
    "le",
    ...Object.values(METRICS).flatMap((one) => [...one.labels]),
  ]);
  const grouped = queries.flatMap((query) => [...query.matchAll(/ by \(([^)]*)\)/g)]);
  return [
    ...queries
      .flatMap((query) => query.match(/\bsluice[a-z0-9_:]+/g) ?? [])
      .filter((name) => !metrics.has(name)),
    ...grouped.flatMap(([, names = ""]) => names.split(", ")).filter((name) => !labels.has(name)),
  ];
}

/** What promtool has to say against queries; empty when it understands all of them. */
export function misread(promtool: string, queries: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-queries-"));
  try {
    const rules = queries.map((expr, at) => ({ record: `q${at}`, expr }));
    // JSON is YAML.
    writeFileSync(join(folder, "queries.yml"), JSON.stringify({ groups: [{ name: "queries", rules }] }));
    const { status, stdout, stderr } = spawnSync(promtool, ["check", "rules", "queries.yml"], {
      cwd: folder,
      encoding: "utf8",
    });
    return status === 0 ? "" : stdout + stderr;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
