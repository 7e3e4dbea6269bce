/**
 * What a proxied request allocates, by the function that does it:
 *
 *   node bench/allocations.ts [--filters 0|1|3] [--row 1k]
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { cleanUpAtExit, runFolder } from "./support/child.ts";
import { Field } from "./support/contender.ts";
import { buildProbe } from "./support/filters.ts";
import { answered, load } from "./support/load.ts";
import { printMarkdown, ROOT } from "./support/report.ts";
import { MAIN_ROW, rowsNamed } from "./support/rows.ts";

interface Node {
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly selfSize: number;
  readonly children: readonly Node[];
}

const { values } = parseArgs({
  options: {
    filters: { type: "string", default: "0" },
    row: { type: "string", default: MAIN_ROW },
  },
});
cleanUpAtExit();
buildProbe();
const folder = runFolder();
const field = await Field.open(folder);
try {
  const [row] = rowsNamed([values.row]);
  if (row === undefined) throw new Error("there is no such row");
  const written = join(folder, "allocations.json");
  process.env["SLUICE_ALLOCATIONS"] = written;
  const sampler = pathToFileURL(join(ROOT, "bench", "support", "allocation-sampler.ts"));
  const sluice = await field.sluice(["--import", sampler.href]);
  const contender = { ...sluice, prefix: `/${values.filters}` };
  const before = await answered(field.upstreamPort);
  const seconds = 13;
  await load(contender, row, seconds, folder);
  const requests = (await answered(field.upstreamPort)) - before;
  const { head } = JSON.parse(readFileSync(written, "utf8")) as { head: Node };
  const bytes = new Map<string, number>();
  collect(head, bytes);
  const total = [...bytes.values()].reduce((sum, size) => sum + size, 0);
  // The samples are of four of the seconds.
  const each = total / ((requests * 4) / seconds);
  console.log(`\nAbout ${each.toFixed(0)} bytes a request, sampled:\n`);
  printMarkdown(
    ["allocated in", "share", "bytes a request"],
    [...bytes]
      .sort(([, a], [, b]) => b - a)
      .slice(0, 24)
      .map(([name, size]) => [
        name,
        `${((100 * size) / total).toFixed(1)} %`,
        ((each * size) / total).toFixed(0),
      ]),
  );
} finally {
  await field.stop();
}

function collect({ callFrame, selfSize, children }: Node, bytes: Map<string, number>): void {
  const { functionName, url, lineNumber } = callFrame;
  const file = url.replace(/^.*\/host\//, "host/");
  const name = `\`${functionName || "(anonymous)"}\` ${file === "" ? "" : `${file}:${lineNumber + 1}`}`;
  if (selfSize > 0) bytes.set(name, (bytes.get(name) ?? 0) + selfSize);
  for (const child of children) collect(child, bytes);
}
