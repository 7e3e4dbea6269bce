import { resolve } from "node:path";
import type {
  AdminConfig,
  CertificateFiles,
  Config,
  ListenTls,
  MatchConfig,
  UpstreamTls,
  VerifyPolicy,
} from "./config.ts";
import { resolveGrant } from "./grant-schema.ts";
import { OCI_SCHEME } from "./oci-reference.ts";
import type { Draft } from "./schema.ts";
import type { VerifyDraft } from "./trust-schema.ts";

/** What a configuration depends on besides its text. */
export interface Surroundings {
  /** The configuration file's folder; absolute. */
  readonly folder: string;
  /** How many threads this machine runs at once. */
  readonly parallelism: number;
}

/** Fills in what depends on the file's folder, on this machine or on another part of the file. */
export function resolveDraft(draft: Draft, surroundings: Surroundings): Config {
  const { folder } = surroundings;
  const workers = countWorkers(draft.workers, surroundings);
  const { connectMs, headMs, pendingMs, totalMs, ...timeouts } = draft.timeouts;
  const { upstreamConnectionsMax, upstreamPendingMax, upstreamInFlightMax, ...limits } = draft.limits;
  const filters = Object.entries(draft.filters).map(([name, filter]) => ({
    name,
    ...filter,
    component: resolveComponent(filter.component, folder),
    grant: resolveGrant(name, filter.grant),
    verify: resolveVerify(filter.verify === undefined ? draft.verify : filter.verify, folder),
    candidate: null,
  }));
  return {
    listen: draft.listen.map((entry) => ({ ...entry, tls: resolveListenTls(entry.tls, folder) })),
    admin: resolveAdmin(draft.admin, folder),
    workers,
    artifacts: resolve(folder, draft.artifacts),
    store: draft.store,
    capsules: draft.capsules && { ...draft.capsules, folder: resolve(folder, draft.capsules.folder) },
    log: { ...draft.log, file: draft.log.file === null ? null : resolve(folder, draft.log.file) },
    clientAddress: draft["client-address"],
    timelines: draft.timelines,
    timeouts,
    limits,
    forwarded: draft.forwarded,
    upstreams: Object.entries(draft.upstreams).map(([name, upstream]) => ({
      name,
      servers: upstream.servers,
      balance: upstream.balance,
      retries: upstream.retries,
      connectMs: upstream.timeouts.connectMs ?? connectMs,
      headMs: upstream.timeouts.headMs ?? headMs,
      pendingMs: upstream.timeouts.pendingMs ?? pendingMs,
      totalMs: upstream.timeouts.totalMs ?? totalMs,
      connectionsMax: upstream.limits.upstreamConnectionsMax ?? upstreamConnectionsMax,
      pendingMax: upstream.limits.upstreamPendingMax ?? upstreamPendingMax,
      inFlightMax: upstream.limits.upstreamInFlightMax ?? upstreamInFlightMax,
      ejection: upstream.ejection,
      health: upstream.health ?? null,
      panicShare: upstream.panic,
      slowStartMs: upstream["slow-start"],
      dns: upstream.dns,
      tls: resolveUpstreamTls(upstream.tls, folder),
    })),
    secrets: Object.entries(draft.secrets).map(([name, source]) => ({
      name,
      source: source.kind === "file" ? { ...source, path: resolve(folder, source.path) } : source,
    })),
    filters,
    registries: draft.registries.map((registry) => ({
      ...registry,
      ca: registry.ca === null ? null : resolve(folder, registry.ca),
      credentials: registry.credentials === null ? null : resolve(folder, registry.credentials),
    })),
    routes: draft.routes.map((route, index) => ({
      ...route,
      name: route.name ?? defaultName(index, route.match),
      slo: route.slo === undefined ? draft.slo : route.slo,
    })),
  };
}

function resolveComponent(component: string, folder: string): string {
  return component.startsWith(OCI_SCHEME) ? component : resolve(folder, component);
}

export function countWorkers(workers: number | "auto", { parallelism }: Surroundings): number {
  return workers === "auto" ? Math.min(64, parallelism) : workers;
}

function resolveAdmin(admin: AdminConfig | null, folder: string): AdminConfig | null {
  if (admin === null) return null;
  const { address, audit } = admin;
  return {
    ...admin,
    address: address.kind === "unix" ? { kind: "unix", path: resolve(folder, address.path) } : address,
    audit: audit === null ? null : resolve(folder, audit),
  };
}

function resolveListenTls(tls: ListenTls | null, folder: string): ListenTls | null {
  if (tls === null) return null;
  return {
    ...tls,
    certificates: tls.certificates.map((files) => resolveFiles(files, folder)),
    clientCa: tls.clientCa === null ? null : resolve(folder, tls.clientCa),
  };
}

function resolveUpstreamTls(tls: UpstreamTls | null, folder: string): UpstreamTls | null {
  if (tls === null) return null;
  return {
    ...tls,
    ca: tls.ca === null ? null : resolve(folder, tls.ca),
    certificate: tls.certificate === null ? null : resolveFiles(tls.certificate, folder),
  };
}

function resolveFiles({ cert, key }: CertificateFiles, folder: string): CertificateFiles {
  return { cert: resolve(folder, cert), key: resolve(folder, key) };
}

function resolveVerify(policies: VerifyDraft, folder: string): VerifyDraft {
  if (policies === null) return null;
  return policies.map((policy): VerifyPolicy => {
    if (policy.kind === "keys") return { ...policy, keys: policy.keys.map((key) => resolve(folder, key)) };
    return {
      ...policy,
      trustedRoot: policy.trustedRoot === null ? null : resolve(folder, policy.trustedRoot),
    };
  });
}

/** A match as it is written: `GET,POST *.example.com/api/*`. */
export function formatMatch({ host, path, methods }: MatchConfig): string {
  const hostText = { any: "*", below: `*.${host.name}`, exact: host.name }[host.kind];
  const pathText = path.kind === "exact" ? path.path : `${path.path}*`;
  return `${methods.length === 0 ? "" : `${methods.join()} `}${hostText}${pathText}`;
}

/** Unlike any name that a file can give: those have no brackets. */
export function defaultName(index: number, match: MatchConfig): string {
  return `routes[${index}] ${formatMatch(match)}`;
}
