import { formatAddress } from "../config/address.ts";
import { explainRoutes } from "../config/explain.ts";
import { formatMatch } from "../config/resolve.ts";
import type { KeptComponent } from "../filter/component-store.ts";
import type { Changes, Live } from "./changes.ts";
import type { ArtifactView, Control, Explanation, FilterStatus, GenerationView, Status } from "./control.ts";
import type { Slos } from "../slo/slos.ts";
import type { Fleet } from "./fleet.ts";
import type { GenerationRecord } from "./history.ts";

/** What runs, as operators are told of it. */
export function statusOf(
  { number, config, loaded, prepared }: Live,
  fleet: Fleet,
  slos: Slos,
): Omit<Status, ProcessMember> {
  const quarantined = fleet.members.quarantined();
  return {
    generation: number,
    listen: fleet.addresses.map(formatAddress),
    workers: fleet.members.states(),
    filters: config.filters.map(({ name, component, onFailure, candidate }): FilterStatus => {
      const found = prepared.find((filter) => filter.name === name);
      return {
        name,
        component,
        digest: loaded.artifacts[name]?.digest ?? "",
        path: found?.path ?? "direct",
        phases: found?.phases ?? [],
        onFailure,
        quarantined: quarantined.get(name) ?? 0,
        trial: candidate && {
          kind: candidate.trial.kind,
          component: candidate.component,
          digest: candidate.digest,
        },
      };
    }),
    routes: config.routes.map(({ name, filters, upstream }) => ({
      name,
      filters,
      upstream,
      slo: slos.view(name),
    })),
    upstreams: config.upstreams.map(({ name, servers }) => ({
      name,
      servers: servers.map(({ origin }) => origin),
      drained: servers.filter(({ drained }) => drained).map(({ origin }) => origin),
    })),
  };
}

type ProcessMember = "version" | "pid" | "startedAt" | "file";

/** Whether every worker serves, or why not. */
export function readinessOf(changes: Changes, fleet: Fleet): ReturnType<Control["readiness"]> {
  if (changes.stopping) return { ready: false, reason: "draining" };
  const { live } = changes;
  if (live === undefined) return { ready: false, reason: "starting" };
  // One that was lost a moment ago is missed here, too.
  const serving = fleet.members.states().filter(({ state }) => state === "serving").length;
  const waiting = live.config.workers - serving;
  if (waiting > 0) return { ready: false, reason: `${waiting} workers do not serve yet` };
  return { ready: true, reason: `generation ${live.number}` };
}

/** Newest first. `drained`: those of this process of which nothing is left. */
export async function generationViews(
  live: Live,
  records: readonly GenerationRecord[],
  fleet: Fleet,
  drained: ReadonlySet<number>,
): Promise<readonly GenerationView[]> {
  const exchanges = await fleet.members.generations();
  const state = (number: number): GenerationView["state"] => {
    if (number === live.number) return "live";
    if (fleet.members.has(number)) return "draining";
    return drained.has(number) ? "drained" : "kept";
  };
  return records.toReversed().map(({ number, at, by, changes, digests }) => ({
    number,
    at,
    by,
    changes,
    digests,
    state: state(number),
    exchanges: exchanges.get(number) ?? 0,
  }));
}

export function artifactViews(
  components: readonly KeptComponent[],
  live: Live,
  records: readonly GenerationRecord[],
): readonly ArtifactView[] {
  const { artifacts } = live.loaded;
  return components.map(({ digest, bytes, usedAt }) => ({
    digest,
    bytes,
    usedAt,
    filters: Object.keys(artifacts).filter((name) => artifacts[name]?.digest === digest),
    generations: records
      .filter(({ digests }) => Object.values(digests).includes(digest))
      .map(({ number }) => number),
  }));
}

/** Which route a request takes, with what the host knows of what it meets there. */
export function explanationOf(
  live: Live,
  fleet: Fleet,
  slos: Slos,
  method: string,
  url: string,
): Explanation {
  const { number, config } = live;
  const { filters } = statusOf(live, fleet, slos);
  const { route, ...rest } = explainRoutes(config.routes, method, url);
  if (route === null) return { generation: number, route: null, ...rest };
  const { name, match, upstream } = route;
  return {
    generation: number,
    route: {
      name,
      match: formatMatch(match),
      filters: route.filters.flatMap((wanted) =>
        filters
          .filter((filter) => filter.name === wanted)
          .map((filter) => ({ name: wanted, digest: filter.digest, phases: filter.phases })),
      ),
      upstream,
      servers: config.upstreams
        .filter((other) => other.name === upstream)
        .flatMap(({ servers }) => servers.map(({ origin }) => origin)),
    },
    ...rest,
  };
}
