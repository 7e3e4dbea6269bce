/** What a page of the documentation has people do: its commands with what they print, and its edits, in order. */
export type Step =
  | { readonly kind: "command"; readonly command: string; readonly printed: string }
  | { readonly kind: "edit"; readonly before: string; readonly after: string };

/** Reads the fenced blocks: `console`, where a command follows `$ `, and `diff`, which has lines that stay around those that change. */
export function stepsOf(page: string): Step[] {
  return Array.from(
    page.matchAll(/^```(console|diff)\n([\s\S]*?)^```$/gm),
    ([, language, block = ""]): Step[] => (language === "diff" ? [editOf(block)] : commandsOf(block)),
  ).flat();
}

function commandsOf(block: string): Step[] {
  return block
    .split(/^\$ /m)
    .filter((text) => text !== "")
    .map((text) => {
      const end = text.indexOf("\n");
      return { kind: "command", command: text.slice(0, end), printed: text.slice(end + 1) };
    });
}

function editOf(block: string): Step {
  const lines = block.split("\n").filter((line) => line !== "");
  const without = (sign: string): string =>
    lines
      .filter((line) => !line.startsWith(sign))
      .map((line) => `${line.slice(1)}\n`)
      .join("");
  return { kind: "edit", before: without("+"), after: without("-") };
}

/**
 * Whether a command has printed what the page shows. A line `…` stands for any lines, and what differs from machine to machine and from
 * run to run for anything of its kind: versions of tools, sizes, shares, digests, times, dates and ids.
 */
export function patternOf(printed: string): RegExp {
  const lines = printed
    .split("\n")
    .map((line) => (line === "…" ? "(?:.*\n)*" : `${varied(line)}\n`))
    .join("")
    // The end of the block.
    .replace(/\n$/, "");
  return new RegExp(`^${lines}$`);
}

function varied(line: string): string {
  return line
    .split(KINDS)
    .map((part) => kindOf(part) ?? part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("");
}

const KINDS =
  /((?<=(?:node|rustc|cargo): )\S+|(?<=^Date: ).*|(?<=^Via: 1\.1 ).*|(?<=^X-Request-Id: ).*|\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b|\b\d+(?:\.\d+)?(?: ?(?:ms|s|KiB|%)(?: +\d+$)?)\b|\d+\.\d+ % +\d+$)/;

function kindOf(part: string): string | undefined {
  if (!new RegExp(`^(?:${KINDS_ALONE})$`).test(part)) return undefined;
  return "";
}
const KINDS_ALONE = "";
