import type { GrantConfig } from "../config/config.ts";

/** What the configuration grants a filter, by the names of `grant`. */
export type GrantName = keyof typeof INTERFACES;

/** The grants that a filter has unless the configuration takes them away. */
const GIVEN: ReadonlySet<string> = new Set(["log", "exchange-facts"]);

/** The contract's interface behind each grant, and how it is granted in the configuration. */
const INTERFACES = {
  log: { name: "sluice:filter/log@0.1.0", line: "log: true" },
  "exchange-facts": { name: "sluice:filter/exchange-facts@0.1.0", line: "exchange-facts: true" },
  clock: { name: "sluice:filter/clock@0.1.0", line: "clock: true" },
  random: { name: "sluice:filter/random@0.1.0", line: "random: true" },
  metrics: { name: "sluice:filter/metrics@0.1.0", line: "metrics: true" },
  store: { name: "sluice:filter/store@0.1.0", line: "store: true" },
  "rate-limit": { name: "sluice:filter/rate-limit@0.1.0", line: "rate-limit: true" },
  http: { name: "sluice:filter/http-client@0.1.0", line: "http: [UPSTREAM]" },
  secrets: { name: "sluice:filter/secrets@0.1.0", line: "secrets: [NAME]" },
} as const;

/** What a filter's configuration grants it to import. */
export function grantsOf(grant: GrantConfig): GrantName[] {
  const given: Readonly<Record<GrantName, boolean>> = {
    log: grant.log,
    "exchange-facts": grant.exchangeFacts,
    clock: grant.clock,
    random: grant.random,
    metrics: grant.metrics,
    store: grant.store !== null,
    "rate-limit": grant.rateLimit !== null,
    secrets: grant.secrets !== null,
    http: grant.http !== null,
  };
  return (Object.keys(given) as GrantName[]).filter((name) => given[name]);
}

/** A grant that a component needs, and the line in the configuration that gives it. */
export interface NeededGrant {
  readonly grant: GrantName;
  readonly interface: string;
  readonly line: string;
}

/** What must be granted for these imports, apart from what every filter has. */
export function neededGrants(imports: readonly string[]): NeededGrant[] {
  return (Object.keys(INTERFACES) as GrantName[])
    .filter((grant) => imports.includes(INTERFACES[grant].name) && !GIVEN.has(grant))
    .map((grant) => ({ grant, interface: INTERFACES[grant].name, line: INTERFACES[grant].line }));
}

/** Why a filter must not be loaded, as one sentence with what to add to its configuration; undefined when all is granted. */
export function whyNotGranted(
  filter: string,
  imports: readonly string[],
  granted: readonly GrantName[],
): string | undefined {
  const missing = (Object.keys(INTERFACES) as GrantName[]).filter(
    (grant) => imports.includes(INTERFACES[grant].name) && !granted.includes(grant),
  );
  const taken = missing.find((grant) => GIVEN.has(grant));
  if (taken !== undefined)
    return `filter ${filter} imports ${INTERFACES[taken].name}, which its grant takes away`;
  if (missing.length === 0) return undefined;
  const names = missing.map((grant) => INTERFACES[grant].name).join(" and ");
  const lines = missing.map((grant) => INTERFACES[grant].line).join(", ");
  return `filter ${filter} imports ${names}, which it is not granted: filters.${filter} needs \`grant: { ${lines} }\``;
}
