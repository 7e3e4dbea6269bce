/** What a server asks for in WWW-Authenticate. */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Reads WWW-Authenticate (RFC 9110 §11.6.1), of which there may be several. What is out of order ends the reading. */
export function readChallenges(fields: string | readonly string[] | undefined): Challenge[] {
  return [fields ?? []].flat().flatMap(readField);
}

function readField(field: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  // A word that no `=` follows begins a challenge; all others are parameters of the one before.
  const part = /[\s,]*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/y;
  for (;;) {
    const match = part.exec(field);
    if (match === null) return challenges;
    const [, word = "", quoted, bare] = match;
    const last = challenges.at(-1);
    if (quoted === undefined && bare === undefined)
      challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
    else if (last === undefined) return challenges;
    else last.parameters.set(word.toLowerCase(), quoted?.replaceAll(/\\(.)/g, "$1") ?? bare ?? "");
  }
}
