import { relative } from "node:path";
import { differenceLines } from "./case-check.ts";
import type { SuiteReport, SuiteResult } from "./case-suite.ts";

/** One case, for a terminal: a line, and below it what is wrong. */
export function resultLines(result: SuiteResult): string[] {
  const { case: one, passed, ms } = result;
  const title = `${passed ? "✓" : "✗"} ${one.name} (${milliseconds(ms)})`;
  return passed ? [title] : [title, ...complaintLines(result).map((line) => `    ${line}`)];
}

/** What is wrong with a case, beginning with its place. */
export function complaintLines({ case: one, refused, differences, violations }: SuiteResult): string[] {
  const lines = [`${relative(process.cwd(), one.file)}:${one.line}`];
  if (refused !== null) lines.push(refused);
  lines.push(...differences.flatMap(differenceLines));
  for (const { kind, sentence, paste, differences: found } of violations) {
    lines.push(`not invariant (${kind}): ${sentence}`);
    lines.push(...found.flatMap(differenceLines).map((line) => `  ${line}`));
    if (paste.length > 0) lines.push("  to see it alone:", ...paste.map((line) => `    ${line}`));
  }
  return lines;
}

export function summaryLine({ results, runs, ms }: SuiteReport): string {
  const failed = results.filter(({ passed }) => !passed).length;
  const counts = [`${results.length - failed} passed`, ...(failed > 0 ? [`${failed} failed`] : [])];
  const varied = runs > 0 ? `, ${runs} variations` : "";
  return `${results.length} case${results.length === 1 ? "" : "s"}: ${counts.join(", ")}${varied} (${milliseconds(ms)})`;
}

/** The same as data. */
export function reportData({ results, runs, ms, snapshotsWritten }: SuiteReport): object {
  return {
    passed: results.every(({ passed }) => passed),
    runs,
    ms: Math.round(ms),
    snapshotsWritten,
    cases: results.map(({ case: one, passed, refused, differences, violations, account, ms: took }) => ({
      name: one.name,
      file: one.file,
      line: one.line,
      passed,
      ms: Number(took.toFixed(3)),
      refused,
      differences,
      violations,
      calls: account?.calls ?? [],
    })),
  };
}

/** JUnit's XML, as Jenkins, GitLab and GitHub's actions read it: a suite for each file. */
export function junit({ results, ms }: SuiteReport): string {
  const suites = Map.groupBy(results, ({ case: one }) => relative(process.cwd(), one.file));
  const failures = (of: readonly SuiteResult[]): number => of.filter(({ passed }) => !passed).length;
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>'];
  lines.push(`<testsuites tests="${results.length}" failures="${failures(results)}" time="${seconds(ms)}">`);
  for (const [file, members] of suites) {
    const time = members.reduce((sum, member) => sum + member.ms, 0);
    lines.push(
      `  <testsuite name="${xml(file)}" tests="${members.length}" failures="${failures(members)}" time="${seconds(time)}">`,
    );
    for (const member of members) {
      const { name, line } = member.case;
      const open = `    <testcase classname="${xml(file)}" name="${xml(name)}" file="${xml(file)}" line="${line}" time="${seconds(member.ms)}"`;
      if (member.passed) lines.push(`${open}/>`);
      else {
        const [, first = "failed"] = complaintLines(member);
        lines.push(
          `${open}>`,
          `      <failure message="${xml(first)}">${xml(complaintLines(member).join("\n"))}</failure>`,
          "    </testcase>",
        );
      }
    }
    lines.push("  </testsuite>");
  }
  lines.push("</testsuites>");
  return `${lines.join("\n")}\n`;
}

/** What XML 1.0 cannot hold at all becomes a replacement character. */
function xml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, "\u{FFFD}");
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

export function milliseconds(ms: number): string {
  return ms < 10
    ? `${ms.toFixed(1)} ms`
    : ms < 10_000
      ? `${Math.round(ms)} ms`
      : `${(ms / 1000).toFixed(1)} s`;
}
