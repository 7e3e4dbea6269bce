import findMyWay from "find-my-way";
import type { MatchConfig } from "./config/config.ts";

/**
 * Finds the route of a request: the most specific host, then the most specific path, among the routes that take the
 * method. Compiled once per generation.
 */
export class Router<Route> {
  readonly #exact = new Map<string, Paths<Route>>();
  /** Longest suffix first: `*.api.example.com` before `*.example.com`. */
  readonly #below: { readonly suffix: string; readonly paths: Paths<Route> }[] = [];
  readonly #any: Paths<Route>;

  constructor(routes: readonly { readonly match: MatchConfig; readonly route: Route }[]) {
    const groups = new Map<string, (typeof routes)[number][]>();
    for (const entry of routes) {
      const key = `${entry.match.host.kind} ${entry.match.host.name}`;
      groups.set(key, [...(groups.get(key) ?? []), entry]);
    }
    let any: Paths<Route> | undefined;
    for (const entries of groups.values()) {
      const { kind, name } = (entries[0] as (typeof entries)[number]).match.host;
      const paths = new Paths(entries);
      if (kind === "exact") this.#exact.set(name, paths);
      else if (kind === "below") this.#below.push({ suffix: `.${name}`, paths });
      else any = paths;
    }
    this.#below.sort((a, b) => b.suffix.length - a.suffix.length);
    this.#any = any ?? new Paths<Route>([]);
  }

  /** `authority` as the client gave it, with or without a port; `path` may have a query. */
  match(method: string, authority: string, path: string): Route | undefined {
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

/** The routes of one host: a tree of paths for each method that a route names, and one for all other methods. */
class Paths<Route> {
  readonly #trees = new Map<string, Tree>();
  readonly #others: Tree | undefined;
  /** One route for all methods and paths needs no tree. */
  readonly #only: Route | undefined;

  constructor(entries: readonly { readonly match: MatchConfig; readonly route: Route }[]) {
    const [first] = entries;
    if (entries.length === 1 && first?.match.path.kind === "any" && first.match.methods.length === 0)
      this.#only = first.route;
    const named = new Set(entries.flatMap(({ match }) => match.methods));
    for (const method of named) {
      const taking = entries.filter(
        ({ match }) => match.methods.length === 0 || match.methods.includes(method),
      );
      this.#trees.set(method, treeOf(taking));
    }
    const others = entries.filter(({ match }) => match.methods.length === 0);
    this.#others = others.length === 0 ? undefined : treeOf(others);
  }

  match(method: string, path: string): Route | undefined {
    if (this.#only !== undefined) return this.#only;
    const tree = this.#trees.get(method) ?? this.#others;
    return tree?.find("GET", path)?.store as Route | undefined;
  }
}

type Tree = ReturnType<typeof findMyWay>;

/** Methods are chosen before, so that every path stands in its tree under one of the library's own. */
function treeOf(entries: readonly { readonly match: MatchConfig; readonly route: unknown }[]): Tree {
  // A path too long or badly escaped for the tree has no route. Queries take no part.
  const tree = findMyWay({ caseSensitive: true, querystringParser: () => NO_QUERY, maxParamLength: 65_536 });
  // Of two routes with the same path, the one that names the method is the more specific: it is registered instead.
  const byPath = new Map<string, { match: MatchConfig; route: unknown }>();
  for (const entry of entries) {
    const pattern = patternOf(entry.match);
    const present = byPath.get(pattern);
    if (present === undefined || present.match.methods.length === 0) byPath.set(pattern, entry);
  }
  for (const [pattern, { route }] of byPath) tree.on("GET", pattern, () => {}, route);
  return tree;
}

/** The library's own signs in a literal path are escaped or refused by it; only the wildcard at the end is ours. */
function patternOf({ path }: MatchConfig): string {
  const literal = path.path.replaceAll(":", "::");
  return path.kind === "exact" ? literal : `${literal}*`;
}

/** Without the port, in lower case; brackets of an IPv6 address stay. */
function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(":");
  const host = colon > authority.lastIndexOf("]") ? authority.slice(0, colon) : authority;
  return host.toLowerCase();
}

const NO_QUERY = {};
