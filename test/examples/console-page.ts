/** What a page of the documentation has people do: its commands with what they print, and its edits, in order. */
export type Step =
  | { readonly kind: "command"; readonly command: string; readonly printed: string }
  | { readonly kind: "edit"; readonly before: string; readonly after: string };

/** Reads the fenced blocks: `console`, where a command follows `$ `, and `diff`, with lines that stay around those that change. */
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
  const without = (sign: string): string =>
    block
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith(sign))
      .map((line) => `${line.slice(1)}\n`)
      .join("");
  return { kind: "edit", before: without("+"), after: without("-") };
}

/**
 * A text without what differs from machine to machine and from run to run, so that two of them can be compared: each of these stands for
 * anything of its kind.
 */
function steady(text: string): string {
  return VARYING.reduce((rest, [what, instead]) => rest.replaceAll(what, instead), text);
}

const VARYING: readonly (readonly [what: RegExp, instead: string])[] = [
  [/(?<=^✓ (?:node|rustc|cargo): ).*$/gm, "(version)"],
  [/(?<=^(?:Date|X-Request-Id|Via): ).*$/gm, "(varies)"],
  [/\b(?:[0-9a-f]{64}|[0-9a-f]{12})\b/g, "(digest)"],
  // Of a crate's code: how much of it there is, its share, the number of its functions.
  [/ +[\d.]+ (?:KiB|B) +[\d.]+ % +\d+$/gm, " (size)"],
  [/\b\d+(?:\.\d+)? (?:KiB|B)\b/g, "(size)"],
  [/\b\d+(?:\.\d+)? (?:ms|s)\b/g, "(time)"],
  [/\b\d+(?:\.\d+)?(?=s$| variations| of WASI)/gm, "(number)"],
];

/** Whether this was printed, as a page shows it: a line `…` stands for any lines, and what varies for anything of its kind. */
export function shows(page: string, printed: string): boolean {
  const lines = steady(page)
    .split(/^…\n/m)
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${lines.join("(?:.*\n)*")}$`).test(steady(printed));
}
