import type { Difference } from "./case-check.ts";
import { type Rewriting, rewritings, singleRewritings } from "./field-orders.ts";
import type { BodyScript, Script } from "./message-input.ts";
import type { Reruns, Violation } from "./reruns.ts";
import { type Cuts, cutBody, shrunk, splitsOf } from "./splits.ts";

/** Bodies in other chunks. */
export async function varyChunks(reruns: Reruns): Promise<Violation[]> {
  const found: Violation[] = [];
  const { plan } = await reruns.used();
  for (const side of SIDES) {
    const mode = side === "request" ? plan.requestBody.kind : plan.responseBody.kind;
    const { body } = reruns.script[side];
    const length = body.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    // What no filter takes passes by the chain, however it is cut.
    if (mode === "none" || length === 0) continue;
    const violation = await splitViolation(reruns, side, body, length, mode === "buffered");
    if (violation !== undefined) found.push(violation);
  }
  return found;
}

async function splitViolation(
  reruns: Reruns,
  side: Side,
  body: BodyScript,
  length: number,
  gathered: boolean,
): Promise<Violation | undefined> {
  const known = new Map<string, Difference[]>();
  const differs = async (cuts: Cuts): Promise<Difference[]> => {
    const key = cuts.join();
    const seen = known.get(key);
    if (seen !== undefined) return seen;
    const script = withBody(reruns.script, side, cutBody(body, cuts));
    // Where only the end tells the length, the message goes on without one that was known: that is framing.
    const differences = (await reruns.vary({ script })).filter(({ at }) => !isFraming(at, script, side));
    known.set(key, differences);
    return differences;
  };
  // The host gathers it, so that the filter cannot see the chunks: a few will do.
  const candidates = gathered ? [[], [length >> 1], [length]] : splitsOf(length);
  for (const cuts of candidates) {
    if ((await differs(cuts)).length === 0) continue;
    const least =
      cuts.length <= 1 ? cuts : await shrunk(cuts, async (fewer) => (await differs(fewer)).length > 0);
    return {
      kind: "chunks",
      sentence: `${sentenceOf(side, least, length)} makes a difference`,
      paste: pasted(side, cutBody(body, least).chunks),
      differences: await differs(least),
    };
  }
  return undefined;
}

/** Fields in another order, names in another case. */
export async function varyHeaders(reruns: Reruns): Promise<Violation[]> {
  const found: Violation[] = [];
  for (const side of SIDES) {
    const { fields } = reruns.script[side];
    const violation = await firstThat(reruns, side, rewritings(fields));
    if (violation === undefined) continue;
    found.push((await firstThat(reruns, side, singleRewritings(fields))) ?? violation);
  }
  return found;
}

async function firstThat(
  reruns: Reruns,
  side: Side,
  ways: readonly Rewriting[],
): Promise<Violation | undefined> {
  for (const { what, fields } of ways) {
    const script = { ...reruns.script, [side]: { ...reruns.script[side], fields } };
    const differences = await reruns.vary({ script }, true);
    if (differences.length === 0) continue;
    const lines: string[] = [];
    for (let at = 0; at < fields.length; at += 2)
      lines.push(`    - [${JSON.stringify(fields[at])}, ${JSON.stringify(fields[at + 1])}]`);
    return {
      kind: "headers",
      sentence: `of the ${side}, ${what} makes a difference`,
      paste: [`${side}:`, "  headers:", ...lines],
      differences,
    };
  }
  return undefined;
}

function sentenceOf(side: Side, cuts: Cuts, length: number): string {
  if (cuts.length === 0) return `the ${side}'s body in one chunk`;
  const [first, second] = cuts;
  if (first === 0) return `an empty chunk before the ${side}'s body`;
  if (first === length) return `an empty chunk behind the ${side}'s body`;
  if (first === second) return `an empty chunk in the ${side}'s body, at byte ${first}`;
  const places = cuts.length > 8 ? `${cuts.length} places` : `byte ${cuts.join(", ")}`;
  return `the ${side}'s body in ${cuts.length + 1} chunks, cut at ${places},`;
}

function pasted(side: Side, chunks: readonly Buffer[]): string[] {
  const lines = chunks.map((chunk) => {
    const text = chunk.toString("utf8");
    return Buffer.from(text).equals(chunk)
      ? `    - ${JSON.stringify(text)}`
      : `    - { base64: ${chunk.toString("base64")} }`;
  });
  return [`${side}:`, "  chunks:", ...lines];
}

function withBody(script: Script, side: Side, body: BodyScript): Script {
  return side === "request"
    ? { ...script, request: { ...script.request, body } }
    : { ...script, response: { ...script.response, body } };
}

function isFraming(at: string, script: Script, side: Side): boolean {
  const receiver = side === "request" ? "upstream" : "response";
  return script[side].body.length < 0 && at === `${receiver}.headers`;
}

type Side = "request" | "response";
const SIDES: readonly Side[] = ["request", "response"];
