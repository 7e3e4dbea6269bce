import { canonicalPath, isCanonical, withoutQuery } from "./canonical-path.ts";
import type { MatchConfig } from "./config/config.ts";
import { Failure } from "./failure.ts";

/**
 * Finds the route of a request: the most specific host, then the most specific path, among the routes that take the
 * method. Compiled once per generation.
 */
export class Router<Route> {
  readonly #exact = new Map<string, Paths<Route>>();
  /** Longest suffix first: `*.api.example.com` before `*.example.com`. */
  readonly #below: { readonly suffix: string; readonly paths: Paths<Route> }[] = [];
  readonly #any: Paths<Route>;

  constructor(routes: readonly Entry<Route>[]) {
    const groups = new Map<string, Entry<Route>[]>();
    for (const entry of routes) {
      const key = `${entry.match.host.kind} ${entry.match.host.name}`;
      groups.set(key, [...(groups.get(key) ?? []), entry]);
    }
    let any: Paths<Route> | undefined;
    for (const entries of groups.values()) {
      const { kind, name } = (entries[0] as Entry<Route>).match.host;
      const paths = new Paths(entries);
      if (kind === "exact") this.#exact.set(name, paths);
      else if (kind === "below") this.#below.push({ suffix: `.${name}`, paths });
      else any = paths;
    }
    this.#below.sort((a, b) => b.suffix.length - a.suffix.length);
    this.#any = any ?? new Paths<Route>([]);
  }

  /**
   * `authority` as the client gave it, with or without a port; `target` may have a query, which takes no part. Throws a
   * `Failure` for a path that servers read so differently that no route is surely the right one.
   */
  match(method: string, authority: string, target: string): Route | undefined {
    if (isCanonical(target)) return this.#find(method, authority, withoutQuery(target));
    const canonical = canonicalPath(target);
    if (typeof canonical === "string") throw new Failure("MESSAGE_MALFORMED", canonical);
    const { path, unresolved } = canonical;
    const route = this.#find(method, authority, path);
    if (unresolved === path || route === undefined) return route;
    // The same bytes go upstream, and many servers hand them to whatever the path begins with.
    const begun = this.#find(method, authority, unresolved);
    if (begun !== undefined && begun !== route)
      throw new Failure("MESSAGE_MALFORMED", "`..` leads from one route into another");
    return route;
  }

  #find(method: string, authority: string, path: string): Route | undefined {
    if (this.#exact.size > 0 || this.#below.length > 0) {
      const host = hostOf(authority);
      const found = this.#exact.get(host)?.match(method, path);
      if (found !== undefined) return found;
      for (const { suffix, paths } of this.#below) {
        if (!host.endsWith(suffix)) continue;
        const below = paths.match(method, path);
        if (below !== undefined) return below;
      }
    }
    return this.#any.match(method, path);
  }
}

/** The routes of one host: a table of paths for each method that a route names, and one for all other methods. */
class Paths<Route> {
  readonly #named = new Map<string, Table<Route>>();
  readonly #others: Table<Route>;

  constructor(entries: readonly Entry<Route>[]) {
    const forAny = entries.filter(({ match }) => match.methods.length === 0);
    for (const method of new Set(entries.flatMap(({ match }) => match.methods))) {
      const naming = entries.filter(({ match }) => match.methods.includes(method));
      // Of two routes with the same path, the one that names the method is the more specific: it comes last.
      this.#named.set(method, new Table([...forAny, ...naming]));
    }
    this.#others = new Table(forAny);
  }

  match(method: string, path: string): Route | undefined {
    return (this.#named.get(method) ?? this.#others).match(path);
  }
}

interface Entry<Route> {
  readonly match: MatchConfig;
  readonly route: Route;
}

/** Paths and beginnings of paths; the longest beginning wins. */
class Table<Route> {
  readonly #exact = new Map<string, Route>();
  /** Each ends in `/`. */
  readonly #prefixes = new Map<string, Route>();
  /** How long the prefixes are, the longest first: of a path, only so many beginnings can be one of them. */
  readonly #lengths: readonly number[];

  constructor(entries: readonly Entry<Route>[]) {
    for (const { match, route } of entries) {
      // The bytes of its UTF-8, as in a canonical path.
      const path = Buffer.from(match.path.path, "utf8").latin1Slice();
      (match.path.kind === "exact" ? this.#exact : this.#prefixes).set(path, route);
    }
    const lengths = new Set([...this.#prefixes.keys()].map((prefix) => prefix.length));
    this.#lengths = [...lengths].sort((a, b) => b - a);
  }

  match(path: string): Route | undefined {
    const exact = this.#exact.get(path);
    if (exact !== undefined) return exact;
    for (const length of this.#lengths) {
      if (path.charCodeAt(length - 1) !== SLASH) continue;
      const found = this.#prefixes.get(path.slice(0, length));
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** Without the port, in lower case; brackets of an IPv6 address stay. */
function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(":");
  const host = colon > authority.lastIndexOf("]") ? authority.slice(0, colon) : authority;
  return host.toLowerCase();
}

const SLASH = 0x2f;
