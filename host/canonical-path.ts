/**
 * The one form of a path that routes are matched with. The bytes that go upstream stay what they were: this is what all
 * spellings that servers take for the same path have in common (docs/forwarding.md, "Paths").
 */

/** The canonical form of a path, and what of it the router has to know. */
export interface CanonicalPath {
  readonly path: string;
  /** The same without `..` resolved, as some servers see it; the path itself when there is no `..`. */
  readonly unresolved: string;
}

/** Whether the path is its own canonical form, up to its query. Nearly all are: nothing is allocated to find out. */
export function isCanonical(target: string): boolean {
  for (let at = 0; at < target.length; at++) {
    switch (target.charCodeAt(at)) {
      case QUERY:
        return true;
      case PERCENT:
      case SEMICOLON:
      case BACKSLASH:
        return false;
      case SLASH: {
        const next = target.charCodeAt(at + 1);
        if (next === SLASH || next === DOT) return false;
      }
    }
  }
  return true;
}

/** A path without its query. */
export function withoutQuery(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

/**
 * Escapes become their bytes, once; `\` and every spelling of `/` separate; parameters (`;…`), empty segments and dot
 * segments are gone. Gives a sentence instead for a path that servers read so differently that it is refused.
 */
export function canonicalPath(target: string): CanonicalPath | string {
  const segments: Segment[] = [];
  const broken = cut(withoutQuery(target), segments);
  if (broken !== undefined) return broken;
  const resolved: string[] = [];
  const unresolved: string[] = [];
  /** Servers do not agree what the segments so far are: a `..` would lead each to another place. */
  let disputed = false;
  let climbs = false;
  for (const { name, parameters, odd } of segments) {
    disputed ||= odd;
    if (name === "..") {
      if (disputed || parameters) return "`..` behind an escaped or empty segment, or with parameters";
      if (resolved.pop() === undefined) return "`..` above the root";
      climbs = true;
      unresolved.push(name);
    } else if (name === "" || name === ".") disputed ||= name === "" || parameters;
    else {
      resolved.push(name);
      unresolved.push(name);
    }
  }
  const last = segments.at(-1)?.name ?? "";
  const end = last === "" || last === "." || last === ".." ? "/" : "";
  const path = joined(resolved, end);
  return { path, unresolved: climbs ? joined(unresolved, end) : path };
}

/** What stands between two separators. */
interface Segment {
  readonly name: string;
  readonly parameters: boolean;
  /** One of the separators around it is not a plain `/`. */
  readonly odd: boolean;
}

/** Cuts a path into its segments. Gives a sentence when it holds what no path may. */
function cut(path: string, segments: Segment[]): string | undefined {
  if (OVERLONG.test(path)) return "a character that is encoded longer than it has to be";
  let name = "";
  let parameters = false;
  let odd = false;
  // The first byte is the `/` that every path begins with.
  for (let at = 1; at <= path.length; at++) {
    let code = at === path.length ? SLASH : path.charCodeAt(at);
    let plain = true;
    if (code === PERCENT) {
      const digits = path.slice(at + 1, at + 3);
      if (!TWO_DIGITS.test(digits)) return "a broken escape in the path";
      code = Number.parseInt(digits, 16);
      if (code < 0x20 || code === 0x7f) return "an escaped control byte in the path";
      plain = false;
      at += 2;
    }
    if (code === SLASH || code === BACKSLASH) {
      const separator = plain && code === SLASH;
      segments.push({ name, parameters, odd: odd || !separator });
      name = "";
      parameters = false;
      odd = !separator;
    } else if (code === SEMICOLON) parameters = true;
    else if (!parameters) name += String.fromCharCode(code);
  }
  return undefined;
}

function joined(names: readonly string[], end: string): string {
  return names.length === 0 ? "/" : `/${names.join("/")}${end}`;
}

const QUERY = 0x3f;
const PERCENT = 0x25;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;
const SLASH = 0x2f;
const DOT = 0x2e;
const TWO_DIGITS = /^[0-9A-Fa-f]{2}$/;
/** UTF-8 that careless decoders take for a `.` or a `/` and careful ones refuse (RFC 3629 §3). */
const OVERLONG = /%c[01]%[89ab]|%e0%[89]|%f0%8/i;
