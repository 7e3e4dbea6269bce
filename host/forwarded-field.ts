/** One element of a Forwarded field: its parameters, by their names in lower case. */
export type ForwardedElement = ReadonlyMap<string, string>;

/** Reads Forwarded (RFC 7239 §4); several fields are joined with commas before. Undefined when it breaks the rules. */
export function readForwarded(value: string): ForwardedElement[] | undefined {
  const elements: Map<string, string>[] = [];
  let element = new Map<string, string>();
  let at = 0;
  while (at < value.length) {
    PAIR.lastIndex = at;
    const match = PAIR.exec(value);
    if (match === null) return undefined;
    const [whole, name = "", token, quoted = "", end = ""] = match;
    const lower = name.toLowerCase();
    // Each parameter once: of two, readers could take either.
    if (element.has(lower)) return undefined;
    element.set(lower, token ?? quoted.replaceAll(/\\(.)/g, "$1"));
    at += whole.length;
    if (end === ";") {
      if (at === value.length) return undefined;
      continue;
    }
    if (end === "," && at === value.length) return undefined;
    elements.push(element);
    element = new Map();
  }
  return elements;
}

/** A parameter, and what separates it from the next one. */
const PAIR =
  /[ \t]*([!#$%&'*+.^_`|~\w-]+)=(?:([!#$%&'*+.^_`|~\w-]+)|"((?:[^"\\]|\\[^\r\n])*)")[ \t]*([;,]|$)/y;
