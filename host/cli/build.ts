import { build as buildFilter } from "../kit/build.ts";
import { reportOf } from "../kit/report.ts";
import { printable } from "./complaint.ts";
import { readConfig, shownPath, summary, verdict } from "./component-view.ts";

export interface BuildOptions {
  readonly package?: string | undefined;
  readonly out?: string | undefined;
  readonly config?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Builds a filter's component, and says what an operator has to know of it. 1 when a host would refuse it, or the given config. */
export async function build(options: BuildOptions): Promise<number> {
  const config = readConfig(options.config);
  const { file, debug } = await buildFilter({
    folder: process.cwd(),
    package: options.package,
    out: options.out,
  });
  const report = await reportOf(shownPath(file), config);
  if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else
    process.stdout.write(
      printable(`${summary(report)}names and lines for stack traces: ${shownPath(debug)}\n`),
    );
  return verdict(report, config);
}
