import type { Candidate } from "../trial/trial.ts";
import type { FilterLimit, HostLimit } from "./limits.ts";
import type { ServiceLimit } from "./service-limits.ts";
import type { HostTimeout } from "./timeouts.ts";

/**
 * A whole configuration, checked and filled in: what a generation is built from.
 *
 * Nothing in it is optional, all names that refer to something refer to something that is there, all
 * paths are absolute, and every number carries its unit in its name. It is plain data, so that it can
 * be posted to a worker and compared as JSON.
 */
export interface Config {
  /** Where clients connect; at least one. */
  readonly listen: readonly ListenConfig[];
  /** Where operators connect; null turns the admin API off. */
  readonly admin: AdminConfig | null;
  /** How many data workers there are. */
  readonly workers: number;
  /** The folder that keeps transpiled artifacts between starts. */
  readonly artifacts: string;
  readonly store: StoreConfig;
  /** Where failures of filters are kept with what they were given; null: nowhere. */
  readonly capsules: CapsuleConfig | null;
  readonly log: LogConfig;
  readonly clientAddress: ClientAddressConfig;
  readonly timelines: TimelinesConfig;
  readonly timeouts: HostTimeouts;
  readonly limits: Limits;
  readonly forwarded: ForwardedConfig;
  readonly upstreams: readonly UpstreamConfig[];
  /** Where secrets are read. What they are is in no configuration, so that it can be shown and compared. */
  readonly secrets: readonly SecretConfig[];
  readonly filters: readonly FilterConfig[];
  /** How registries are spoken with; those that are not among them by TLS, or in the clear where they are on this machine. */
  readonly registries: readonly RegistryConfig[];
  /** In the order of the file. */
  readonly routes: readonly RouteConfig[];
}

/** How one registry is spoken with. All paths are absolute. */
export interface RegistryConfig {
  /** `host` or `host:port`, as references have it. */
  readonly registry: string;
  /** Whether it is spoken with in the clear. */
  readonly insecure: boolean;
  /** Who signs its certificate; null for the authorities that Node knows. */
  readonly ca: string | null;
  /** A docker config file; null for the user's own. What is in it is read when it is needed. */
  readonly credentials: string | null;
}

/** A folder of failures, each with all that its filter was given. */
export interface CapsuleConfig {
  /** Absolute. */
  readonly folder: string;
  /** Files that are kept. */
  readonly filesMax: number;
  /** Of each. */
  readonly bytesMax: number;
  /** Whether bodies are in them. */
  readonly bodies: boolean;
  /** Names of header fields, in lower case, whose values are in them. */
  readonly headers: readonly string[];
}

/** Where filters keep what they share. */
export interface StoreConfig {
  readonly sizeBytes: number;
  /** The server that has it instead, with its user and password; null: it is in this process. Not to be shown. */
  readonly server: string | null;
}

/** A TCP address. `host` is a name or an IP address without brackets; port 0 lets the system choose. */
export interface Address {
  readonly kind: "tcp";
  readonly host: string;
  readonly port: number;
}

/** An address where clients connect, and how they are spoken with. */
export interface ListenConfig extends Address {
  /** Null: in the clear. */
  readonly tls: ListenTls | null;
  /** Whether every connection begins with a header of the PROXY protocol. */
  readonly proxyProtocol: boolean;
}

/** All paths are absolute; what is in the files is read when the host starts, and again when they change. */
export interface ListenTls {
  /** At least one. The first one is for clients that name no host, or one that no certificate is for. */
  readonly certificates: readonly CertificateFiles[];
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** Who signs clients' certificates; null when none are asked for. */
  readonly clientCa: string | null;
  readonly clientCertificates: "none" | "optional" | "required";
}

export interface CertificateFiles {
  /** The certificate, and those between it and its authority. */
  readonly cert: string;
  readonly key: string;
}

/** A socket in the file system. `path` is absolute. */
export interface SocketPath {
  readonly kind: "unix";
  readonly path: string;
}

export type AdminAddress = Address | SocketPath;

/** Where operators connect, and who of them may do what. */
export interface AdminConfig {
  readonly address: AdminAddress;
  /** Names, besides those that the address has by itself, by which requests may call the host. */
  readonly hosts: readonly string[];
  /** Without any, whoever reaches the address may do everything; only this machine reaches it then. */
  readonly tokens: readonly AdminToken[];
  /** The file of the audit log; absolute. Null: its lines go to the process's log. */
  readonly audit: string | null;
}

export interface AdminToken {
  /** How the audit log and the history call who has it. */
  readonly name: string;
  readonly role: AdminRole;
  /** Of the token; lower-case hex. What the token is, is in no configuration. */
  readonly sha256: string;
}

/** What every token of `sluice token` begins with, so that people and scanners know one when they see it. */
export const TOKEN_PREFIX = "slc_";

/** From the least to the most: to look, to change and try filters, to change everything. */
export const ADMIN_ROLES = ["read", "swap", "admin"] as const;

export type AdminRole = (typeof ADMIN_ROLES)[number];

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

export interface LogConfig {
  readonly level: LogLevel;
  /** Absolute; null: standard error. */
  readonly file: string | null;
  /** Which exchanges are logged when they end; null: none. */
  readonly exchanges: ExchangesConfig | null;
  /** Whether an exchange's line tells what each filter took, decided and changed. */
  readonly receipts: boolean;
  /** What is logged of a query. */
  readonly query: "drop" | "names";
  /** Names of header fields, in lower case, whose values are logged. */
  readonly headers: readonly string[];
}

/** Which exchanges are logged. Those that failed, or were answered with 5xx, always are. */
export interface ExchangesConfig {
  /** By chance; over 0. */
  readonly samplePercent: number;
  /** All that is not null has to hold. */
  readonly only: {
    /** `404` or `4xx`. */
    readonly status: readonly string[] | null;
    readonly routes: readonly string[] | null;
    readonly slowerThanMs: number | null;
  } | null;
}

/** How much of a client's address somebody is told: nothing, its network, a name that is another one each day, or all. */
export type AddressForm = "drop" | "truncate" | "keyed-hash" | "whole";

/** What is told of clients' addresses. */
export interface ClientAddressConfig {
  readonly log: Exclude<AddressForm, "whole">;
  /** To filters that are granted it, and whose grant says no more. */
  readonly filters: AddressForm;
}

/** Of which exchanges it is kept what happened in them. */
export interface TimelinesConfig {
  /** Of each kind, in each worker; 0: none. */
  readonly keep: number;
  /** How many of all exchanges, in percent. */
  readonly samplePercent: number;
  /** The name of the secret that debug headers are signed with; null: none counts. */
  readonly debug: string | null;
}

/** How long the host waits, in milliseconds. What an upstream may set for itself is in `UpstreamConfig`. */
export type HostTimeouts = { readonly [K in HostTimeout]: number };

/** How much the host takes: bytes where the name says bytes, a count elsewhere. */
export type Limits = { readonly [K in HostLimit | FilterLimit | ServiceLimit]: number };

/** What upstreams are told of clients. */
export interface ForwardedConfig {
  readonly mode: "x-forwarded" | "forwarded" | "both" | "off";
  /** Networks with their bits, like `10.0.0.0/8`: who from there speaks for others is believed. */
  readonly trusted: readonly string[];
}

export interface UpstreamConfig {
  readonly name: string;
  /** At least one, all different. */
  readonly servers: readonly ServerConfig[];
  readonly connectMs: number;
  readonly headMs: number;
  readonly pendingMs: number;
  /** Of an exchange's whole part with it; 0 for no bound. */
  readonly totalMs: number;
  /** To each server, from each worker. */
  readonly connectionsMax: number;
  readonly pendingMax: number;
  /** To all servers together, from each worker. */
  readonly inFlightMax: number;
  readonly balance: BalanceConfig;
  readonly retries: RetryConfig;
  readonly ejection: EjectionConfig;
  /** Null when servers are not asked how they are. */
  readonly health: HealthConfig | null;
  /** In percent: when fewer servers than that may be used, all are. */
  readonly panicShare: number;
  /** 0 when servers get their whole share at once. */
  readonly slowStartMs: number;
  readonly dns: DnsConfig;
  /** How its https:// servers are spoken with; null for the usual way. */
  readonly tls: UpstreamTls | null;
}

/** All paths are absolute. Servers are verified in any case. */
export interface UpstreamTls {
  /** Who signs the servers' certificates; null for the authorities that Node knows. */
  readonly ca: string | null;
  /** The name that servers have to prove; null for the one in their URL. */
  readonly serverName: string | null;
  /** What this host shows to servers that ask for a certificate. */
  readonly certificate: CertificateFiles | null;
}

/** How servers are chosen. `name` is of a header, in lower case, or of a cookie. */
export type BalanceConfig =
  | { readonly kind: "least-request" | "round-robin" }
  | { readonly kind: "header" | "cookie"; readonly name: string };

/** When a request is sent again that has failed. */
export interface RetryConfig {
  /** How often, after the first time. */
  readonly attempts: number;
  /** In percent of all requests. */
  readonly share: number;
  /** What is allowed beside the share, for each worker. */
  readonly perSecond: number;
  readonly on: readonly RetryReason[];
}

/** No connection, a kept connection that broke before a byte of the response came, or a status. */
export type RetryReason = "connect" | "reset" | 502 | 503 | 504;

/** When a server that fails requests gets none for a while. */
export interface EjectionConfig {
  /** So many failures in a row. */
  readonly consecutive: number;
  /** Or this share of a window's requests, in percent, of so many at least. */
  readonly rate: number;
  readonly rateRequests: number;
  readonly windowMs: number;
  /** The first time; each further time it is as much longer, up to the most. */
  readonly baseMs: number;
  readonly longestMs: number;
  /** How many of the servers may be out at once, in percent; 0 turns ejection off. */
  readonly maxShare: number;
  readonly on: readonly EjectionReason[];
}

/** No connection, one that broke or spoke no HTTP, one that was too slow, or a status from 500 on. */
export type EjectionReason = "connect" | "reset" | "timeout" | number;

/** How servers are asked how they are. */
export interface HealthConfig {
  readonly path: string;
  /** The Host that they are asked with; null for their own. */
  readonly host: string | null;
  readonly intervalMs: number;
  /** In percent of the interval, either way. */
  readonly jitter: number;
  readonly timeoutMs: number;
  /** What a server answers that is well: the first and the last status of each range. */
  readonly status: readonly (readonly [from: number, to: number])[];
  /** So many answers in a row change what is thought of a server. */
  readonly healthy: number;
  readonly unhealthy: number;
}

/** How the names of servers become addresses. */
export interface DnsConfig {
  readonly refreshMs: number;
  readonly family: "auto" | "ipv4" | "ipv6" | "both";
}

/** One address of an upstream. */
export interface ServerConfig {
  /** Scheme, host and port, without a path: `http://127.0.0.1:9000`. */
  readonly origin: string;
  readonly scheme: "http" | "https";
  /** A name or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
  /** How many requests it should get, compared with the others. */
  readonly weight: number;
  /** An operator lets it have no new exchanges. In no file: only the admin API says so. */
  readonly drained: boolean;
}

/** What one filter may consume. */
export interface FuelConfig {
  /** Units, in one call. */
  readonly fuel: number;
  /** Of each instance. */
  readonly memoryBytesMax: number;
}

export interface FilterConfig {
  readonly name: string;
  /** The component's file; absolute. */
  readonly component: string;
  /** The hash that the file must have, 64 lower-case hex digits; null takes the file as it is. */
  readonly sha256: string | null;
  /** Handed to the filter's `configure` as JSON text. */
  readonly config: Json;
  readonly onFailure: "closed" | "open";
  readonly quarantine: QuarantineConfig;
  readonly limits: FuelConfig;
  readonly grant: GrantConfig;
  /** Any one of them has to be satisfied before the component is loaded; null: no signature is asked for. */
  readonly verify: readonly VerifyPolicy[] | null;
  /** The version that is tried beside it. In no file: only the admin API begins a trial. */
  readonly candidate: Candidate | null;
}

/** Whose signature a component needs. The paths of files are absolute once the configuration is resolved. */
export type VerifyPolicy =
  | {
      readonly kind: "keys" /** Files of public keys in PEM; any one of them is enough. */;
      readonly keys: readonly string[];
    }
  | {
      readonly kind: "sigstore";
      readonly issuer: string;
      /** `exact`: the name itself. `pattern`: a regular expression that matches all of it. */
      readonly identity: { readonly kind: "exact" | "pattern"; readonly text: string };
      /** The file of the authorities and logs that count; null for those of the public sigstore. */
      readonly trustedRoot: string | null;
      /** In how many transparency logs the signature has to be. */
      readonly tlog: number;
    };

/** A filter that fails more often than `failures` in `of` exchanges is not called for `baseMs`, and up to `maxMs` when that does not help. */
export interface QuarantineConfig {
  readonly failures: number;
  readonly of: number;
  readonly baseMs: number;
  readonly maxMs: number;
}

/** What a filter may see and call. */
export interface GrantConfig {
  readonly log: boolean;
  readonly exchangeFacts: boolean;
  /** True: as the configuration's `client-address` has it for filters. */
  readonly clientAddress: boolean | Exclude<AddressForm, "drop">;
  /** The names of the upstreams that it may ask; all different. Null: not granted. */
  readonly http: readonly string[] | null;
  readonly clock: boolean;
  readonly random: boolean;
  readonly metrics: boolean;
  /** The name of the space that its keys are in; null without a grant. */
  readonly store: string | null;
  /** The name of the space that its allowances are in; null without a grant. */
  readonly rateLimit: string | null;
  /** Names of secrets; each is in the configuration. Null without a grant, which is more than none. */
  readonly secrets: readonly string[] | null;
  /** Names and values, as `wasi:cli/environment` hands them out. */
  readonly env: readonly (readonly [name: string, value: string])[];
}

export interface SecretConfig {
  readonly name: string;
  readonly source: SecretSource;
}

/** `path` is absolute once the configuration is resolved. */
export type SecretSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "env"; readonly variable: string };

export interface RouteConfig {
  /** Unique; made from the position and the match when the file gives none. */
  readonly name: string;
  readonly match: MatchConfig;
  /** Names of filters, in the order of the chain. */
  readonly filters: readonly string[];
  /** The name of an upstream. */
  readonly upstream: string;
  /** Whether servers get the Host that the client asked for; otherwise their own. */
  readonly preserveHost: boolean;
  /** Whether clients are told where the time went. */
  readonly serverTiming: boolean;
  /** How well it has to serve; null when nothing is asked for. */
  readonly slo: SloConfig | null;
}

/** At least one of the two. Shares are above 0 and below 1. */
export interface SloConfig {
  /** The share of exchanges that have to end without a 5xx and without breaking off. */
  readonly availability: number | null;
  /** The share, of these, that have to be so fast. */
  readonly latency: { readonly underMs: number; readonly share: number } | null;
  /** The time over which the shares have to be reached. */
  readonly windowMs: number;
}

export interface MatchConfig {
  readonly host: HostMatch;
  readonly path: PathMatch;
  /** All different; empty for any method. */
  readonly methods: readonly string[];
}

/**
 * `exact`: this host. `below`: any name that ends in `.` and this one, at any depth. `any`: every host,
 * and `name` is empty. Names are in lower case and without a port.
 */
export interface HostMatch {
  readonly kind: "exact" | "below" | "any";
  readonly name: string;
}

/** `exact`: this path. `prefix`: any path that begins with this one, which ends in `/`. `any`: every path, and `path` is `/`. */
export interface PathMatch {
  readonly kind: "exact" | "prefix" | "any";
  readonly path: string;
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
