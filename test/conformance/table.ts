import { afterAll, afterEach } from "vitest";

/** Prints, when a file is through, how many of its probes have passed, by the section that their titles begin with. */
export function tabulate(document: string): void {
  const sections = new Map<string, { passed: number; all: number }>();
  afterEach(({ task }) => {
    const titles = [task.name, ...ancestors(task)];
    const section =
      titles.map((title) => /^§[\d.]+/.exec(title)?.[0]).find((found) => found !== undefined) ?? "other";
    const count = sections.get(section) ?? { passed: 0, all: 0 };
    count.all += 1;
    if (task.result?.state === "pass" || (task.result?.errors ?? []).length === 0) count.passed += 1;
    sections.set(section, count);
  });
  afterAll(() => {
    const rows = [...sections].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
    const lines = rows.map(
      ([section, { passed, all }]) => `  ${section.padEnd(10)} ${String(passed).padStart(4)} of ${all}`,
    );
    const passed = rows.reduce((sum, [, count]) => sum + count.passed, 0);
    const all = rows.reduce((sum, [, count]) => sum + count.all, 0);
    process.stdout.write(`${[`${document}: ${passed} of ${all} probes passed`, ...lines].join("\n")}\n`);
  });
}

interface Titled {
  readonly name: string;
  readonly suite?: Titled | undefined;
}

function ancestors(task: Titled): string[] {
  return task.suite === undefined ? [] : [task.suite.name, ...ancestors(task.suite)];
}
