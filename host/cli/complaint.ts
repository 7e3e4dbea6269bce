import { ConfigError } from "../config/problem.ts";
import { AdminError } from "../control/admin-address.ts";
import { Refusal } from "../control/control.ts";
import { ArtifactRefused } from "../filter/contract.ts";
import { KitError } from "../kit/kit-error.ts";

/** Says on standard error why a command failed: sentences, never a stack trace. */
export function complain(error: unknown): void {
  process.stderr.write(`${sentenceOf(error)}\n`);
}

/** What went wrong, for a terminal. */
export function sentenceOf(error: unknown): string {
  // One line for each problem, beginning with its place, as editors and terminals make links of them.
  if (error instanceof ConfigError) return printable(error.message);
  if (
    error instanceof AdminError ||
    error instanceof Refusal ||
    error instanceof ArtifactRefused ||
    error instanceof KitError
  )
    return `sluice: ${printable(error.message)}`;
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return `sluice: This should not happen: ${printable(what.split("\n", 1)[0] ?? "")}`;
}

/** What others have written must not move the cursor or colour the terminal. Line ends stay. */
export function printable(text: string): string {
  return text.replaceAll(/(?!\n)[\p{Cc}\p{Cf}]/gu, "\u{FFFD}");
}
