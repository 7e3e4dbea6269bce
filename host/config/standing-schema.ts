import * as z from "zod";
import type { DnsConfig, EjectionConfig, EjectionReason, HealthConfig } from "./config.ts";
import { EXPECTED, list, mapping, optional, percent, text, word } from "./shape.ts";
import { STANDING_BOUNDS } from "./upstream-limits.ts";

/** The options of an upstream that say what is thought of its servers. */
export interface UpstreamStanding {
  readonly ejection: EjectionConfig;
  readonly panic: number;
  readonly "slow-start": number;
  readonly health: HealthConfig | undefined;
  readonly dns: DnsConfig;
}

export function standing(): { readonly [K in keyof UpstreamStanding]: z.ZodType<UpstreamStanding[K]> } {
  return {
    ejection: ejection(),
    panic: percent()
      .prefault("30%")
      .describe(
        "When a smaller share of the servers may be used, all are: the few that are left would fall, too. 0% waits until none is left.",
      ),
    "slow-start": optional(STANDING_BOUNDS.slowStartMs),
    health: health().optional(),
    dns: dns(),
  };
}

function ejection(): z.ZodType<EjectionConfig> {
  const expected = "connect, reset, timeout or a status from 500 to 599";
  const reason = z
    .union(
      [
        z.literal<EjectionReason[]>(["connect", "reset", "timeout"], { error: expected }),
        z.int({ error: expected }).min(500, { error: expected }).max(599, { error: expected }),
      ],
      { error: expected },
    )
    .meta({ [EXPECTED]: expected });
  const { consecutive, rateRequests, windowMs, baseMs, longestMs } = STANDING_BOUNDS;
  return mapping("a mapping of what ejects a server", {
    consecutive: optional(consecutive),
    rate: percent()
      .prefault("50%")
      .describe("This share of failures in a window ejects a server, too; 0% does not count."),
    "rate-requests": optional(rateRequests),
    window: optional(windowMs),
    base: optional(baseMs),
    max: optional(longestMs),
    "max-share": percent()
      .prefault("50%")
      .describe(
        "How many of the servers may be ejected at once; 0% turns ejection off. One server alone is never.",
      ),
    on: list("a list of reasons", reason, 103)
      .prefault(["connect", "reset", "timeout"])
      .describe(
        "What counts as a failure: no connection; one that broke or spoke no HTTP; one that was too slow; a status.",
      ),
  })
    .transform((input) => ({
      consecutive: input.consecutive,
      rate: input.rate,
      rateRequests: input["rate-requests"],
      windowMs: input.window,
      baseMs: input.base,
      longestMs: input.max,
      maxShare: input["max-share"],
      on: input.on,
    }))
    .prefault({});
}

function health(): z.ZodType<HealthConfig> {
  const range = "a status like 200, or a range like 200-299";
  const status = z
    .union(
      [
        z
          .int({ error: range })
          .min(200, { error: range })
          .max(599, { error: range })
          .transform((one): readonly [number, number] => [one, one]),
        text(range, /^[2-5]\d\d-[2-5]\d\d$/, (input): readonly [number, number] | undefined => {
          const [from = 0, to = 0] = input.split("-").map(Number);
          return from <= to ? [from, to] : undefined;
        }),
      ],
      { error: range },
    )
    .meta({ [EXPECTED]: range });
  const { intervalMs, checkMs, healthy, unhealthy } = STANDING_BOUNDS;
  return mapping("a mapping with path", {
    path: text("a path like /healthz", /^\/[\x21-\x22\x24-\x7e]*$/, (input) => input).describe(
      "What servers are asked for, with GET.",
    ),
    host: text("a host, with a port or without", /^[A-Za-z0-9._:[\]-]{1,255}$/, (input) => input)
      .optional()
      .describe("The Host of the checks; the one in the server's URL when left out."),
    interval: optional(intervalMs),
    jitter: percent()
      .prefault("20%")
      .describe(
        "How much sooner or later a check comes, by chance: workers and hosts must not ask all at once.",
      ),
    timeout: optional(checkMs),
    status: list("a list of statuses", status, 64, 1)
      .prefault(["200-299"])
      .describe("What a server answers that is well."),
    healthy: optional(healthy),
    unhealthy: optional(unhealthy),
  }).transform((input) => ({
    path: input.path,
    host: input.host ?? null,
    intervalMs: input.interval,
    jitter: input.jitter,
    timeoutMs: input.timeout,
    status: input.status,
    healthy: input.healthy,
    unhealthy: input.unhealthy,
  }));
}

function dns(): z.ZodType<DnsConfig> {
  return mapping("a mapping with refresh or family", {
    refresh: optional(STANDING_BOUNDS.refreshMs),
    family: word(["auto", "ipv4", "ipv6", "both"])
      .default("auto")
      .describe(
        "Which addresses of a name are servers: those of the family that the system prefers, with the other one to fall back on; or of one family alone; or all.",
      ),
  })
    .transform(({ refresh, family }) => ({ refreshMs: refresh, family }))
    .prefault({});
}
