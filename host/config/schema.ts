import { METHODS } from "node:http";
import * as z from "zod";
import {
  ADDRESS_PATTERN,
  HOST_PATTERN,
  PATH_PATTERN,
  parseAddress,
  parseHostMatch,
  parsePathMatch,
} from "./address.ts";
import { ADMIN_DEFAULT, admin } from "./admin-schema.ts";
import type {
  ClientAddressConfig,
  AdminConfig,
  CapsuleConfig,
  FilterConfig,
  ForwardedConfig,
  HostTimeouts,
  Json,
  Limits,
  ListenConfig,
  LogConfig,
  MatchConfig,
  RegistryConfig,
  RouteConfig,
  SecretSource,
  ServerConfig,
  SloConfig,
  StoreConfig,
  TimelinesConfig,
  UpstreamTls,
} from "./config.ts";
import { capsules } from "./capsule-schema.ts";
import { clientAddress } from "./client-address-schema.ts";
import { forwarded } from "./forwarded-schema.ts";
import { FUELED } from "./fuel-limits.ts";
import { grant, type GrantDraft, secret } from "./grant-schema.ts";
import { type Bound, FILTER_LIMITS, HOST_LIMITS, QUARANTINE } from "./limits.ts";
import { log } from "./log-schema.ts";
import { OCI_PATTERN, OCI_SCHEME, readOciReference } from "./oci-reference.ts";
import { registries } from "./registry-schema.ts";
import { SERVICE_LIMITS } from "./service-limits.ts";
import { slo, sloOfAll } from "./slo-schema.ts";
import { store } from "./store-schema.ts";
import { standing, type UpstreamStanding } from "./standing-schema.ts";
import { timelines } from "./timelines-schema.ts";
import { HOST_TIMEOUTS, UPSTREAM_TIMEOUTS, type UpstreamTimeout } from "./timeouts.ts";
import { listenTls, upstreamTls } from "./tls-schema.ts";
import { verify, type VerifyDraft } from "./trust-schema.ts";
import { UPSTREAM_LIMITS, type UpstreamLimit } from "./upstream-limits.ts";
import { dispatch, server, type UpstreamDispatch } from "./upstream-schema.ts";
import { bounded, bounds, EXPECTED, flag, list, mapping, name, named, text, word } from "./shape.ts";

/**
 * The file as it is written, read into numbers and addresses, but each part by itself: what depends on the
 * file's folder, on this machine or on another part of the file is left to `resolve.ts`.
 */
export interface Draft {
  readonly listen: readonly ListenConfig[];
  readonly admin: AdminConfig | null;
  readonly workers: number | "auto";
  readonly artifacts: string;
  readonly store: StoreConfig;
  /** As it is written: a path from the file's folder. */
  readonly capsules: CapsuleConfig | null;
  readonly log: LogConfig;
  readonly "client-address": ClientAddressConfig;
  readonly timelines: TimelinesConfig;
  readonly timeouts: HostTimeouts & { readonly [K in UpstreamTimeout]: number };
  readonly limits: Limits & { readonly [K in UpstreamLimit]: number };
  readonly forwarded: ForwardedConfig;
  readonly upstreams: { readonly [name: string]: DraftUpstream };
  readonly secrets: { readonly [name: string]: SecretSource };
  /** For filters that say nothing themselves. */
  readonly verify: VerifyDraft;
  readonly filters: { readonly [name: string]: DraftFilter };
  readonly registries: readonly RegistryConfig[];
  /** For routes that say nothing themselves. */
  readonly slo: SloConfig | null;
  readonly routes: readonly DraftRoute[];
}

export interface DraftUpstream extends UpstreamDispatch, UpstreamStanding {
  readonly servers: readonly ServerConfig[];
  /** What the upstream sets for itself. */
  readonly timeouts: { readonly [K in UpstreamTimeout]: number | undefined };
  readonly limits: { readonly [K in UpstreamLimit]: number | undefined };
  readonly tls: UpstreamTls | null;
}

export type DraftFilter = Omit<FilterConfig, "name" | "grant" | "verify" | "candidate"> & {
  readonly grant: GrantDraft;
  readonly verify: VerifyDraft | undefined;
};

export type DraftRoute = Omit<RouteConfig, "name" | "slo"> & {
  readonly name: string | undefined;
  readonly slo: SloConfig | null | undefined;
};

/** What a route's `match` has to be. */
export const MATCH: z.ZodType<MatchConfig, Record<string, unknown>> = match();

/** What the file has to be: the one source of messages, defaults, documentation and the editors' schema. */
export const DRAFT: z.ZodType<Draft> = mapping("a mapping with the options of sluice", {
  listen: list("a list of addresses", listener(), 64, 1).describe(
    "Where clients connect. Port 0 lets the system choose.",
  ),
  admin: admin().prefault(ADMIN_DEFAULT).describe("Where operators connect; `false` turns it off."),
  workers: workers()
    .default("auto")
    .describe("The number of threads that carry traffic; `auto` is one for each core, at most 64."),
  artifacts: path("the path of a folder")
    .prefault(".sluice")
    .describe("The folder that keeps compiled filters between starts."),
  store: store(),
  capsules: capsules()
    .optional()
    .transform((input) => input ?? null)
    .describe(
      "Where failures of filters are kept, each with all that its filter was given, redacted; nowhere when it is left out.",
    ),
  log: log(),
  "client-address": clientAddress().describe(
    "What is told of clients' addresses, to the log and to filters: nothing, their network (/24, /48), or a name that is another one each day. The log gets nothing when it is left out.",
  ),
  timelines: timelines(),
  timeouts: bounds("a mapping of timeouts", { ...HOST_TIMEOUTS, ...UPSTREAM_TIMEOUTS }),
  limits: bounds("a mapping of limits", {
    ...HOST_LIMITS,
    ...UPSTREAM_LIMITS,
    ...FILTER_LIMITS,
    ...SERVICE_LIMITS,
  }),
  forwarded: forwarded(),
  upstreams: named("a mapping from names to upstreams", name(), upstream()).describe(
    "Where requests go, by name.",
  ),
  secrets: named("a mapping from names to secrets", name(), secret())
    .prefault({})
    .describe("Where secrets are read, by the names that `grant.secrets` gives to filters."),
  verify: verify()
    .optional()
    .transform((input) => input ?? null)
    .describe(
      "Whose signature every filter's component needs. One of a list is enough; nothing is asked for when it is left out.",
    ),
  filters: named("a mapping from names to filters", name(), filter())
    .prefault({})
    .describe("The filters, by name."),
  registries: registries(),
  slo: sloOfAll(),
  routes: list("a list of routes", route(), 4_096, 1).describe(
    "Which requests go where: the most specific host wins, then the most specific path, then a named method.",
  ),
});

function listener(): z.ZodType<ListenConfig> {
  const expected = "host:port, like 127.0.0.1:8080 or [::1]:8080";
  const address = text(expected, ADDRESS_PATTERN, parseAddress);
  const whole = mapping("a mapping with address, tls or proxy-protocol", {
    address: address.describe("Host and port."),
    tls: listenTls().optional(),
    "proxy-protocol": flag()
      .default(false)
      .describe(
        "Whether a proxy in front says, by the PROXY protocol, whom each connection is from; those without its header are closed.",
      ),
  });
  return z
    .union(
      [
        address.transform((input) => ({ ...input, tls: null, proxyProtocol: false })),
        whole.transform((input) => ({
          ...input.address,
          tls: input.tls ?? null,
          proxyProtocol: input["proxy-protocol"],
        })),
      ],
      { error: expected },
    )
    .meta({ [EXPECTED]: `${expected}, or a mapping with \`address\`` });
}

function workers(): z.ZodType<number | "auto", number | "auto"> {
  const error = "a whole number from 1 to 64, or auto";
  const count = z.int({ error }).min(1, { error }).max(64, { error });
  return z.union([count, z.literal("auto", { error })], { error }).meta({ [EXPECTED]: error });
}

function upstream(): z.ZodType<DraftUpstream> {
  const { connectMs, headMs, pendingMs, totalMs } = UPSTREAM_TIMEOUTS;
  const { upstreamConnectionsMax, upstreamPendingMax, upstreamInFlightMax } = UPSTREAM_LIMITS;
  const instead = (bound: Bound, of: string): z.ZodOptional<z.ZodType<number, number | string>> =>
    bounded(bound).optional().describe(`Instead of \`${of}.${bound.option}\`.`);
  return mapping("a mapping with servers", {
    servers: list("a list of URLs", server(), 256, 1).describe("The upstream's servers, all alike."),
    ...dispatch(),
    ...standing(),
    timeouts: mapping("a mapping with connect, head, pending or total", {
      connect: instead(connectMs, "timeouts"),
      head: instead(headMs, "timeouts"),
      pending: instead(pendingMs, "timeouts"),
      total: instead(totalMs, "timeouts"),
    }).prefault({}),
    limits: mapping("a mapping with connections, pending or in-flight", {
      connections: instead(upstreamConnectionsMax, "limits"),
      pending: instead(upstreamPendingMax, "limits"),
      "in-flight": instead(upstreamInFlightMax, "limits"),
    }).prefault({}),
    tls: upstreamTls().optional(),
  }).transform(({ timeouts, limits, tls, ...rest }) => ({
    ...rest,
    timeouts: {
      connectMs: timeouts.connect,
      headMs: timeouts.head,
      pendingMs: timeouts.pending,
      totalMs: timeouts.total,
    },
    limits: {
      upstreamConnectionsMax: limits.connections,
      upstreamPendingMax: limits.pending,
      upstreamInFlightMax: limits["in-flight"],
    },
    tls: tls ?? null,
  }));
}

function filter(): z.ZodType<DraftFilter> {
  return mapping("a mapping with component", {
    component: component().describe("The file of the filter's component, or its place in a registry."),
    sha256: text("64 hex digits", /^[0-9A-Fa-f]{64}$/, (input) => input.toLowerCase())
      .optional()
      .describe("The hash that the file must have; without it the file is taken as it is."),
    // The source has made it from YAML, and refused there what JSON cannot hold.
    config: z
      .unknown()
      .transform((input) => input as Json)
      .prefault(null)
      .describe("Handed to the filter's `configure` as JSON.")
      .meta({ [EXPECTED]: "any value" }),
    "on-failure": word(["closed", "open"])
      .default("closed")
      .describe(
        "What becomes of an exchange when the filter fails: an error reply, or on without the filter.",
      ),
    quarantine: bounds("a mapping with failures, of, base or max", QUARANTINE),
    limits: bounds("a mapping with fuel or memory", FUELED),
    grant: grant(),
    verify: verify()
      .optional()
      .describe("Instead of `verify`, all of it; `none` asks for no signature of this filter."),
  }).transform((input) => ({
    component: input.component,
    sha256: input.sha256 ?? null,
    config: input.config,
    onFailure: input["on-failure"],
    quarantine: input.quarantine,
    limits: input.limits,
    grant: input.grant,
    verify: input.verify,
  }));
}

function component(): z.ZodType<string, string> {
  const expected = "the path of a component, or oci://host/name with a tag or a digest";
  const read = (input: string): string | undefined =>
    input.startsWith(OCI_SCHEME) && typeof readOciReference(input) === "string" ? undefined : input;
  // Of what begins like a reference the reference's own grammar speaks.
  const refusal = (input: unknown): string => {
    const told =
      typeof input === "string" && input.startsWith(OCI_SCHEME) ? readOciReference(input) : expected;
    return typeof told === "string" ? told : expected;
  };
  return text(expected, new RegExp(`^(?!${OCI_SCHEME})[^\\0]+$|${OCI_PATTERN.source}`), read, refusal);
}

function route(): z.ZodType<DraftRoute> {
  return mapping("a mapping with match and upstream", {
    name: name()
      .optional()
      .describe("The route's name in logs and metrics; made from its place and its match when left out."),
    match: MATCH.prefault({}),
    filters: list("a list of filters' names", reference("the name of a filter"), 32)
      .prefault([])
      .describe("The chain, in order."),
    upstream: reference("the name of an upstream").describe("Where the requests go."),
    "preserve-host": flag()
      .default(true)
      .describe(
        "Whether servers get the Host that the client asked for; otherwise host and port of their URL.",
      ),
    "server-timing": flag()
      .default(false)
      .describe("Whether responses say, in Server-Timing, how long filters and upstream took."),
    slo: slo()
      .optional()
      .describe("Instead of `slo`, all of it: how well it has to serve; `none`: it need not."),
  }).transform(({ "preserve-host": preserveHost, "server-timing": serverTiming, ...input }) => ({
    ...input,
    name: input.name,
    slo: input.slo,
    preserveHost,
    serverTiming,
  }));
}

function match(): z.ZodType<MatchConfig, Record<string, unknown>> {
  const host = text("a host like example.com or *.example.com, without a port", HOST_PATTERN, parseHostMatch);
  const path = text("a path like /a or /api/*, without a query", PATH_PATTERN, parsePathMatch);
  const method = text("an HTTP method in capitals, like GET", /^[A-Z][A-Z-]*$/, (input) =>
    input !== "CONNECT" && METHODS.includes(input) ? input : undefined,
  );
  return mapping("a mapping with host, path or methods", {
    host: host
      .optional()
      .describe(
        "The host that the client asks for; `*.` stands for any names before the rest. Any host when left out.",
      ),
    path: path
      .optional()
      .describe("The whole path, or with `/*` at its end all that begin so. Any path when left out."),
    methods: list("a list of methods", method, 64, 1).optional().describe("Any method when left out."),
  }).transform((input) => ({
    host: input.host ?? { kind: "any", name: "" },
    path: input.path ?? { kind: "any", path: "/" },
    methods: [...new Set(input.methods ?? [])],
  })) as z.ZodType<MatchConfig, Record<string, unknown>>;
}

function path(expected: string): z.ZodType<string, string> {
  return text(expected, /^[^\0]+$/, (input) => input);
}

/** A name that something else has. Whether anything has it is found with the whole file in view (`conflict.ts`). */
function reference(expected: string): z.ZodType<string, string> {
  return text(expected, /./, (input) => input);
}
