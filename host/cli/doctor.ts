import { examine, type Finding, repair } from "../kit/doctor.ts";
import { printable } from "./complaint.ts";
import { DONE, FAILED } from "./exit-code.ts";

export interface DoctorOptions {
  readonly fix?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Looks at the tools and the project of this folder, and says how to put right what is wrong. */
export async function doctor({ fix, json }: DoctorOptions): Promise<number> {
  const folder = process.cwd();
  if (fix) await repair(folder);
  const findings = await examine(folder);
  const ok = findings.every(({ verdict }) => verdict !== "wrong");
  const text = json
    ? `${JSON.stringify({ ok, findings }, null, 2)}\n`
    : printable(findings.map(line).join(""));
  process.stdout.write(text);
  return ok ? DONE : FAILED;
}

function line({ name, verdict, found, fix }: Finding): string {
  return `${MARKS[verdict]} ${name}: ${found}\n${fix === undefined ? "" : `  ${fix}\n`}`;
}

const MARKS: Readonly<Record<Finding["verdict"], string>> = { good: "✓", wrong: "✗", absent: "–" };
