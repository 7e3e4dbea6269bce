import { availableParallelism } from "node:os";
import { dirname, resolve } from "node:path";
import type { LineCounter } from "yaml";
import type { Config } from "./config.ts";
import { conform } from "./issue.ts";
import { ConfigError, type Problem } from "./problem.ts";
import { findConflicts } from "./conflict.ts";
import { resolveDraft } from "./resolve.ts";
import { DRAFT } from "./schema.ts";
import { findSecretProblems } from "./secret-source.ts";
import { type Finding, readSource } from "./source.ts";
import type { Variables } from "./substitution.ts";
import { findTlsProblems } from "./tls-files.ts";
import { findTraceHeaderProblems } from "./trace-headers.ts";
import { findTrustProblems } from "./trust-files.ts";

/**
 * Reads a configuration. `file` names it in messages, and its folder is where relative paths start.
 *
 * Throws nothing but a `ConfigError`, with everything that is wrong and not only the first of it.
 */
export function parseConfig(text: string, file: string, env: Variables): Config {
  // A byte order mark is no part of the text, and would push the first line's columns.
  const source = readSource(text.replace(/^\uFEFF/, ""), env);
  const { root, lines } = source;
  if (root === undefined) throw new ConfigError(file, problems(source.findings, lines));

  const machine = { folder: dirname(resolve(file)), parallelism: availableParallelism() };
  const verdict = conform(DRAFT, root);
  const findings = [...source.findings, ...(verdict.kind === "refused" ? verdict.findings : [])];
  findings.push(
    ...findConflicts(root, lines, machine),
    ...findTlsProblems(root, machine.folder),
    ...findTrustProblems(root, machine.folder),
    ...findSecretProblems(root, machine.folder, env),
    ...findTraceHeaderProblems(root, machine.folder, env),
  );
  if (verdict.kind === "refused" || findings.length > 0)
    throw new ConfigError(file, problems(findings, lines));
  return resolveDraft(verdict.output, machine);
}

/** Where an option stands in a text; at its beginning when it is left out there. */
export function placeOf(text: string, env: Variables, path: readonly string[]): Omit<Problem, "sentence"> {
  const { root, lines } = readSource(text.replace(/^\uFEFF/, ""), env);
  let place = root;
  for (const name of path) place = place?.children.get(name);
  const { line, col } = lines.linePos(place?.keyOffset ?? 0);
  return { line: Math.max(line, 1), column: Math.max(col, 1), path: path.join(".") };
}

function problems(findings: readonly Finding[], lines: LineCounter): Problem[] {
  return findings
    .toSorted((a, b) => a.offset - b.offset)
    .map(({ offset, path, sentence }) => {
      const { line, col } = lines.linePos(offset);
      // A text without a line end has no lines counted.
      return { line: Math.max(line, 1), column: Math.max(col, 1), path, sentence };
    });
}
