import contract from "./bindings/contract.json" with { type: "json" };
import { type Declarations, declarationsOf, firstDifference } from "./declarations.ts";

/** What a component asks for and gives, as its own WIT says. */
export interface ComponentWorld {
  /** Full names with versions: `sluice:filter/log@0.1.0`. */
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

/** Reads the world from the WIT text of a component. */
export function worldOf(wit: string): ComponentWorld {
  const names = (kind: "import" | "export"): string[] =>
    [...wit.matchAll(new RegExp(`^ {2}${kind} ([^\\s;{]+)`, "gm"))].map((match) =>
      (match[1] ?? "").replace(/:$/, ""),
    );
  return { imports: names("import"), exports: names("export") };
}

/** Why this is no filter: one sentence that names the import or export; undefined when it is one. */
export function whyNoFilter(world: ComponentWorld): string | undefined {
  if (!world.exports.includes(FILTER)) {
    const other = world.exports.find((name) => name.startsWith("sluice:filter/filter"));
    if (other !== undefined)
      return `exports ${other}, and this host serves ${FILTER}: build it with the SDK of that version`;
    const given =
      world.exports.length === 0 ? "it exports nothing" : `it exports ${world.exports.join(", ")}`;
    return `does not export ${FILTER}: ${given}`;
  }
  const other = world.exports.find((name) => name.startsWith("sluice:filter/state") && name !== STATE);
  if (other !== undefined)
    return `exports ${other}, and this host serves ${STATE}: build it with the SDK of that version`;
  for (const name of world.imports) {
    if (OFFERED.has(name) || OFFERED_WASI.has(withoutPatch(name))) continue;
    return `imports ${name}, which the host does not offer to any filter`;
  }
  return undefined;
}

/** Whether the component means the same by the contract's interfaces: `sources` are jco's declarations by interface. */
export function whyOtherContract(sources: ReadonlyMap<string, string>): string | undefined {
  for (const [name, source] of sources) {
    const theirs = CONTRACT[name];
    if (theirs === undefined) continue;
    const mine = declarationsOf(source);
    // Of an import a component shows what it uses; what it exports has to be there whole.
    const exported = name === FILTER || name === STATE;
    const missing = exported ? Object.keys(theirs).find((item) => !(item in mine)) : undefined;
    const difference = missing === undefined ? firstDifference(mine, theirs) : `it has no ${missing}`;
    const verb = exported ? "exports" : "imports";
    if (difference !== undefined) return `${verb} ${name}, but not as the contract has it: ${difference}`;
  }
  return undefined;
}

/** Whether a contract, by interface, is this host's: the first difference as the end of a sentence; undefined when there is none. */
export function whyOtherWit(interfaces: Readonly<Record<string, Declarations>>): string | undefined {
  for (const name of new Set([...Object.keys(CONTRACT), ...Object.keys(interfaces)])) {
    const [theirs, mine] = [interfaces[name], CONTRACT[name]];
    if (mine === undefined) return `it has ${name}, which this host does not know`;
    if (theirs === undefined) return `it has no ${name}`;
    const missing = Object.keys(mine).find((item) => !(item in theirs));
    const difference = missing === undefined ? firstDifference(theirs, mine) : `it has no ${missing}`;
    if (difference !== undefined) return `of ${name}, ${difference}`;
  }
  return undefined;
}

/** The imports that have something to call: one that is there for its types needs no grant, as `store` is beside `rate-limit`. */
export function calledOf(imports: readonly string[], sources: ReadonlyMap<string, string>): string[] {
  return imports.filter((name) => {
    const source = sources.get(name);
    return source === undefined || /^export (function|class) /m.test(source);
  });
}

/**
 * Of the imports of a component whose bytes are not there yet, those that it calls in any case. What only lends its types to another
 * import needs no grant, and from names alone the two look the same: the bytes will tell.
 */
export function surelyCalled(imports: readonly string[]): string[] {
  return imports.filter((name) => !LENDERS.get(name)?.some((borrower) => imports.includes(borrower)));
}

/** Which of the contract's imports have types that others use (`use` in wit/imports.wit). */
const LENDERS: ReadonlyMap<string, readonly string[]> = new Map([
  ["sluice:filter/store@0.1.0", ["sluice:filter/rate-limit@0.1.0"]],
]);

/** Whether it hands a state to the version after it. */
export function isStateful(world: ComponentWorld): boolean {
  return world.exports.includes(STATE);
}

export const FILTER = "sluice:filter/filter@0.1.0";
const STATE = "sluice:filter/state@0.1.0";

const CONTRACT: Readonly<Record<string, Declarations>> = contract;

/** What this version of the host implements of the contract. */
const OFFERED: ReadonlySet<string> = new Set([
  "sluice:filter/types@0.1.0",
  "sluice:filter/log@0.1.0",
  "sluice:filter/exchange-facts@0.1.0",
  "sluice:filter/http-client@0.1.0",
  "sluice:filter/clock@0.1.0",
  "sluice:filter/random@0.1.0",
  "sluice:filter/secrets@0.1.0",
  "sluice:filter/metrics@0.1.0",
  "sluice:filter/store@0.1.0",
  "sluice:filter/rate-limit@0.1.0",
]);

/** What the host gives of WASI 0.2, whatever the patch version. */
const OFFERED_WASI: ReadonlySet<string> = new Set([
  "wasi:cli/environment@0.2",
  "wasi:cli/exit@0.2",
  "wasi:cli/stderr@0.2",
  "wasi:cli/stdin@0.2",
  "wasi:cli/stdout@0.2",
  "wasi:cli/terminal-input@0.2",
  "wasi:cli/terminal-output@0.2",
  "wasi:cli/terminal-stderr@0.2",
  "wasi:cli/terminal-stdin@0.2",
  "wasi:cli/terminal-stdout@0.2",
  "wasi:clocks/monotonic-clock@0.2",
  "wasi:clocks/wall-clock@0.2",
  "wasi:filesystem/preopens@0.2",
  "wasi:filesystem/types@0.2",
  "wasi:io/error@0.2",
  "wasi:io/poll@0.2",
  "wasi:io/streams@0.2",
  "wasi:random/insecure-seed@0.2",
  "wasi:random/insecure@0.2",
  "wasi:random/random@0.2",
]);

function withoutPatch(name: string): string {
  return name.replace(/@(\d+\.\d+)\.\d+$/, "@$1");
}
