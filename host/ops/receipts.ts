import type { CallStep, Step } from "../timeline.ts";
import { quoted } from "./json.ts";

/** What each filter took, decided and changed in an exchange, as JSON; empty when none was called. */
export function receiptsOf(steps: readonly Step[], more: number): string {
  let text = "";
  let left = more;
  for (const step of steps) {
    if (step.kind !== "call") continue;
    if (text.length > TEXT_LENGTH_MAX) left += 1;
    else text += text === "" ? receipt(step) : `,${receipt(step)}`;
  }
  if (text === "") return "";
  return `,"sluice.filters":[${text}]${left === 0 ? "" : `,"sluice.filters_left_out":${left}`}`;
}

function receipt({ filter, digest, phase, ms, fuel, calls, decision, reason, changed }: CallStep): string {
  let text =
    `{"filter":${quoted(filter)},"digest":"${digest.slice(0, DIGEST_LENGTH)}","phase":"${phase}"` +
    `,"ms":${Math.round(ms * 1_000) / 1_000},"fuel":${fuel},"decision":"${decision}"`;
  if (calls > 1) text += `,"calls":${calls}`;
  if (reason !== null) text += `,"reason":"${reason}"`;
  return changed.length === 0 ? `${text}}` : `${text},"changed":[${names(changed)}]}`;
}

/** Names come from clients and filters, and may be long and many. */
function names(changed: readonly string[]): string {
  const kept = changed.slice(0, NAMES_MAX).map((name) => quoted(name.slice(0, NAME_LENGTH_MAX)));
  if (changed.length > NAMES_MAX) kept.push('"…"');
  return kept.join(",");
}

/** Enough to know an artifact by, among those of one host. */
const DIGEST_LENGTH = 12;

/** Of one line; what a single call may add comes on top. */
const TEXT_LENGTH_MAX = 4_096;
const NAMES_MAX = 16;
const NAME_LENGTH_MAX = 64;
