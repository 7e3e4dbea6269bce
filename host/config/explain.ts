import { canonicalPath } from "../canonical-path.ts";
import type { Explanation } from "../control/control.ts";
import type { HostMatch, PathMatch, RouteConfig } from "./config.ts";
import { formatMatch } from "./resolve.ts";

/** What the routes alone say of a request; what they are made of is for whoever knows it. */
export interface RouteExplanation extends Pick<Explanation, "canonicalPath" | "considered" | "overlaps"> {
  readonly route: RouteConfig | null;
}

/**
 * Which route a request takes, and why no other. It looks at all routes one by one, where the router looks into tables; that both
 * come to the same is a property that tests hold.
 *
 * `url` is a whole URL or what follows its host, as a client would send it.
 */
export function explainRoutes(routes: readonly RouteConfig[], method: string, url: string): RouteExplanation {
  const ordered = inOrder(routes.map(tryable));
  const overlaps = findOverlaps(ordered);
  const { authority, target } = splitUrl(url);
  const canonical = canonicalPath(target);
  if (typeof canonical === "string") {
    return { canonicalPath: "", route: null, considered: refused(ordered, canonical), overlaps };
  }
  const asked: Asked = { method, host: hostOf(authority), path: canonical.path };
  const taker = ordered.find((one) => mismatch(one, asked) === undefined);
  const shown = readable(canonical.path);
  // The router's own rule: servers that leave `..` as it is must not see the request as another route's.
  const begun = ordered.find((one) => mismatch(one, { ...asked, path: canonical.unresolved }) === undefined);
  if (taker !== undefined && begun !== undefined && begun !== taker) {
    const why = `\`..\` leads from one route into another, from ${begun.route.name} into ${taker.route.name}`;
    return { canonicalPath: shown, route: null, considered: refused(ordered, why), overlaps };
  }
  const considered = ordered.map((one) => {
    const { name } = one.route;
    const why = mismatch(one, asked);
    if (why !== undefined || taker === undefined) return { name, matches: false, why: why ?? "" };
    if (one === taker) return { name, matches: true, why: "the first that takes it" };
    return { name, matches: true, why: `${taker.route.name} comes first: ${advantage(taker, one)}` };
  });
  return { canonicalPath: shown, route: taker?.route ?? null, considered, overlaps };
}

/** A route as it is compared with requests and others. */
interface Tryable {
  readonly route: RouteConfig;
  readonly host: HostMatch;
  /** Its path in the characters that canonical paths are made of: bytes. */
  readonly path: PathMatch;
  readonly methods: readonly string[];
}

function tryable(route: RouteConfig): Tryable {
  const { host, path, methods } = route.match;
  return { route, host, path: { ...path, path: Buffer.from(path.path, "utf8").latin1Slice() }, methods };
}

interface Asked {
  readonly method: string;
  readonly host: string;
  readonly path: string;
}

/** A `URL` object would resolve dot segments and escape what clients do not: the very things that are to be explained. */
function splitUrl(url: string): { readonly authority: string; readonly target: string } {
  const [, named = "", rest = ""] = /^(?:[a-z][a-z\d+.-]*:\/\/)?([^/?#]*)([^#]*)/i.exec(url) ?? [];
  const authority = named.slice(named.lastIndexOf("@") + 1);
  // What stands in a terminal is text; what the router sees are the bytes of its UTF-8.
  const bytes = Buffer.from(rest, "utf8").latin1Slice();
  return { authority, target: bytes.startsWith("/") ? bytes : `/${bytes}` };
}

/** As the router tries them. The order does not depend on the request: of two that take it, the first one gets it. */
function inOrder(routes: readonly Tryable[]): Tryable[] {
  return routes.toSorted((one, other) => {
    const host = hostRank(other.host) - hostRank(one.host);
    if (host !== 0) return host;
    const path = pathRank(other.path) - pathRank(one.path);
    return path !== 0 ? path : methodRank(other) - methodRank(one);
  });
}

/** Above any length, and unlike infinity a number that can be taken from itself. */
const EXACT_RANK = Number.MAX_SAFE_INTEGER;

function hostRank({ kind, name }: HostMatch): number {
  return kind === "exact" ? EXACT_RANK : kind === "below" ? name.length : -1;
}

function pathRank({ kind, path }: PathMatch): number {
  return kind === "exact" ? EXACT_RANK : path.length;
}

function methodRank({ methods }: Tryable): number {
  return methods.length === 0 ? 0 : 1;
}

/** Why a route does not take a request; undefined when it does. */
function mismatch({ host, path, methods, route }: Tryable, asked: Asked): string | undefined {
  if (!takesHost(host, asked.host)) {
    const got = asked.host === "" ? "no host" : asked.host;
    return host.kind === "exact"
      ? `its host is ${host.name}, not ${got}`
      : `${got} is not below ${host.name}`;
  }
  if (!takesPath(path, asked.path)) {
    const written = route.match.path.path;
    return path.kind === "exact" ? `its path is ${written}` : `the path does not begin with ${written}`;
  }
  if (methods.length > 0 && !methods.includes(asked.method)) return `it takes ${methods.join(", ")} only`;
  return undefined;
}

function takesHost({ kind, name }: HostMatch, host: string): boolean {
  return kind === "any" || (kind === "exact" ? host === name : host.endsWith(`.${name}`));
}

function takesPath({ kind, path }: PathMatch, asked: string): boolean {
  return kind === "exact" ? asked === path : asked.startsWith(path);
}

/** Why the first comes before the second, both of which take the request. */
function advantage(first: Tryable, second: Tryable): string {
  if (hostRank(first.host) !== hostRank(second.host)) return "its host is more specific";
  if (pathRank(first.path) !== pathRank(second.path)) return "its path is more specific";
  return "it names the method";
}

function refused(routes: readonly Tryable[], why: string): Explanation["considered"] {
  return routes.map(({ route: { name } }) => ({
    name,
    matches: false,
    why: `the request is refused: ${why}`,
  }));
}

/**
 * Two kinds: routes of which each has the more specific part, so that a reader of the file may expect either, and routes
 * that change nothing. One that no request reaches cannot be: what comes before a route is more specific than it, and the
 * configuration refuses two with the same host, path and method.
 */
function findOverlaps(ordered: readonly Tryable[]): string[] {
  const found = ordered.flatMap((first, at) => {
    const after = ordered.slice(at + 1).filter((second) => meet(first, second));
    const crossing = after.filter((second) => pathRank(second.path) > pathRank(first.path));
    const next = after[0];
    const idle = next !== undefined && within(first, next) && sameTreatment(first.route, next.route);
    return [
      ...crossing.map((second) => crossingSentence(first.route, second.route)),
      ...(idle ? [idleSentence(first.route, next.route)] : []),
    ];
  });
  const more = found.length - OVERLAPS_MAX;
  return more <= 0 ? found : [...found.slice(0, OVERLAPS_MAX), `There are ${more} more of these.`];
}

/** More than anybody reads; of some thousand routes there may be millions. */
const OVERLAPS_MAX = 100;

function crossingSentence(first: RouteConfig, second: RouteConfig): string {
  return (
    `${named(first)} and ${named(second)} take some of the same requests: ${first.name} gets them, because its host is ` +
    `more specific, although the path of ${second.name} is.`
  );
}

function idleSentence(idle: RouteConfig, next: RouteConfig): string {
  return (
    `${named(idle)} changes nothing: without it its requests would take ${named(next)}, which has the same filters and ` +
    "upstream."
  );
}

/** A route that the file gives no name is called by its match already. */
function named({ name, match }: RouteConfig): string {
  const written = formatMatch(match);
  return name.endsWith(written) ? name : `${name} (${written})`;
}

/** Whether there are requests that both take. */
function meet(one: Tryable, other: Tryable): boolean {
  return hostsMeet(one.host, other.host) && pathsMeet(one.path, other.path) && methodsMeet(one, other);
}

function hostsMeet(one: HostMatch, other: HostMatch): boolean {
  return hostWithin(one, other) || hostWithin(other, one);
}

function pathsMeet(one: PathMatch, other: PathMatch): boolean {
  return pathWithin(one, other) || pathWithin(other, one);
}

function methodsMeet({ methods: one }: Tryable, { methods: other }: Tryable): boolean {
  return one.length === 0 || other.length === 0 || one.some((method) => other.includes(method));
}

/** Whether the second takes all that the first takes. */
function within(one: Tryable, other: Tryable): boolean {
  const methods =
    other.methods.length === 0 ||
    (one.methods.length > 0 && one.methods.every((method) => other.methods.includes(method)));
  return hostWithin(one.host, other.host) && pathWithin(one.path, other.path) && methods;
}

function hostWithin(one: HostMatch, other: HostMatch): boolean {
  if (other.kind === "any") return true;
  if (one.kind === "any") return false;
  if (other.kind === "exact") return one.kind === "exact" && one.name === other.name;
  return takesHost(other, one.name) || (one.kind === "below" && one.name === other.name);
}

function pathWithin(one: PathMatch, other: PathMatch): boolean {
  if (other.kind === "exact") return one.kind === "exact" && one.path === other.path;
  return takesPath(other, one.path);
}

function sameTreatment(one: RouteConfig, other: RouteConfig): boolean {
  const treatment = ({ filters, upstream, preserveHost, serverTiming, slo }: RouteConfig): string =>
    JSON.stringify([filters, upstream, preserveHost, serverTiming, slo]);
  return treatment(one) === treatment(other);
}

/** Without the port, in lower case; brackets of an IPv6 address stay. */
function hostOf(authority: string): string {
  return authority.replace(/:[^\]:]*$/, "").toLowerCase();
}

function readable(path: string): string {
  return Buffer.from(path, "latin1").toString("utf8");
}
