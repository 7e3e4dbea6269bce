import { z } from "@hono/zod-openapi";
import { ADMIN_ROLES, type LogLevel } from "../config/config.ts";
import type { Problem } from "../config/problem.ts";
import { burns, sloViews } from "./admin-slo-answers.ts";
import { DIFFERENCE_KINDS, type TrialView } from "../trial/trial.ts";
import { digest, level, TrialRequestSchema } from "./admin-requests.ts";
import type {
  ArtifactView,
  ChangeResult,
  ConfigView,
  Differences,
  Explanation,
  FilterStatus,
  FullStatus,
  GenerationView,
  RefusedRequest,
  SwapResult,
  WorkerView,
} from "./control.ts";
import type { Caller } from "./tokens.ts";

/** What is answered, as `Control` gives it. Members may be added. */

type Shape<Value> = z.ZodType<Value, Value>;

const names = z.array(z.string()).readonly();
const unixMs = z.number().openapi({ description: "Unix milliseconds" });

const PlacedProblemSchema = z
  .object({
    line: z.int(),
    column: z.int(),
    path: z.string().openapi({ description: "The option, like `filters.keys.grant.env`" }),
    sentence: z.string(),
  })
  .openapi("PlacedProblem");
const placedProblems = z.array(PlacedProblemSchema).readonly();

const change = {
  generation: z.int().openapi({ description: "The one that is live now" }),
  durationMs: z.number(),
  changes: names.openapi({ description: "What is different from the generation before, a sentence each" }),
};

export const ChangeResultSchema: Shape<ChangeResult> = z.object(change).openapi("ChangeResult");

export const SwapResultSchema: Shape<SwapResult> = z
  .object({ ...change, filter: z.string(), from: digest, to: digest, configChanged: z.boolean() })
  .openapi("SwapResult");

export const FindingsSchema: Shape<{ readonly problems: readonly Problem[] }> = z
  .object({ problems: placedProblems })
  .openapi("Findings");

export const DifferencesSchema: Shape<Differences> = z
  .object({
    generation: z.int(),
    differences: z
      .array(
        z.object({
          path: z.string().openapi({ description: "As in the file: `filters.keys.config`, `routes[2]`" }),
          kind: z.enum(["added", "removed", "changed"]),
          from: z.unknown().optional().openapi({ description: "Redacted" }),
          to: z.unknown().optional().openapi({ description: "Redacted" }),
        }),
      )
      .readonly(),
    refusals: names.openapi({ description: "Why the host would refuse the change, a sentence each" }),
  })
  .openapi("Differences");

const FileStatusSchema = z
  .object({
    path: z.string().nullable().openapi({ description: "null: the host was started without one" }),
    differs: z.boolean(),
    problems: placedProblems,
    refusal: z.string().nullable(),
  })
  .openapi("FileStatus");

const workerState = z.enum(["starting", "serving", "draining"]);

export const FilterStatusSchema: Shape<FilterStatus> = z
  .object({
    name: z.string(),
    component: z.string(),
    digest,
    path: z.enum(["direct", "reference"]),
    phases: names,
    onFailure: z.enum(["closed", "open"]),
    quarantined: z.int().openapi({ description: "Workers that do not call it: it has failed too often" }),
    trial: z.object({ kind: z.enum(["shadow", "canary"]), component: z.string(), digest }).nullable(),
  })
  .openapi("FilterStatus");

const states = z.enum(["healthy", "slow-start", "ejected", "unhealthy", "leaving", "drained"]);

export const UpstreamSchema: Shape<FullStatus["upstreams"][number]> = z
  .object({
    name: z.string(),
    servers: names,
    drained: names,
    addresses: z
      .array(
        z.object({
          upstream: z.string(),
          server: z.string(),
          address: z.string().openapi({ description: "Empty when the server's URL has no name" }),
          states: z
            .partialRecord(states, z.int())
            .readonly()
            .openapi({ description: "How many workers think so of it" }),
          inFlight: z.int(),
          pending: z.int(),
          connections: z.int(),
        }),
      )
      .readonly(),
  })
  .openapi("UpstreamStatus");

export const StatusSchema: Shape<FullStatus> = z
  .object({
    version: z.string(),
    pid: z.int(),
    startedAt: unixMs,
    generation: z.int(),
    listen: names,
    workers: z.array(z.object({ id: z.int(), state: workerState })).readonly(),
    filters: z.array(FilterStatusSchema).readonly(),
    routes: z
      .array(z.object({ name: z.string(), filters: names, upstream: z.string(), slo: sloViews.nullable() }))
      .readonly(),
    upstreams: z.array(UpstreamSchema).readonly(),
    file: FileStatusSchema,
  })
  .openapi("Status");

export const ConfigViewSchema: Shape<ConfigView> = z
  .object({
    generation: z.int(),
    config: z.unknown().openapi({ description: "With every default; secrets are `[redacted]`" }),
    file: FileStatusSchema,
  })
  .openapi("ConfigView");

export const GenerationSchema: Shape<GenerationView> = z
  .object({
    number: z.int(),
    at: unixMs,
    by: z.string(),
    changes: names,
    digests: z.record(z.string(), z.string()).readonly(),
    state: z.enum(["live", "draining", "drained", "kept"]),
    exchanges: z.int(),
  })
  .openapi("Generation");

export const WorkerSchema: Shape<WorkerView> = z
  .object({
    id: z.int(),
    state: workerState,
    generation: z.int(),
    connections: z.int(),
    exchanges: z.int(),
    instances: z.int(),
  })
  .openapi("Worker");

export const ArtifactSchema: Shape<ArtifactView> = z
  .object({
    digest,
    bytes: z.int(),
    usedAt: unixMs,
    filters: names,
    generations: z.array(z.int()).readonly(),
  })
  .openapi("Artifact");

export const CollectedSchema: Shape<{ readonly removed: readonly string[] }> = z
  .object({ removed: z.array(digest).readonly() })
  .openapi("Collected");

export const LogLevelAnswerSchema: Shape<{ readonly level: LogLevel }> = z
  .object({ level })
  .openapi("LogLevelAnswer");

export const WhoamiSchema: Shape<Caller> = z
  .object({
    name: z.string().openapi({ description: "Of the token; `local` where there are none" }),
    role: z.enum(ADMIN_ROLES),
  })
  .openapi("Whoami");

export const ConfigTextSchema: Shape<{ readonly text: string }> = z
  .object({ text: z.string() })
  .openapi("ConfigText");

export const RefusedRequestSchema: Shape<RefusedRequest> = z
  .object({ at: unixMs, worker: z.int(), code: z.string(), status: z.int(), detail: z.string() })
  .openapi("RefusedRequest");

export const ExplanationSchema: Shape<Explanation> = z
  .object({
    generation: z.int(),
    canonicalPath: z.string(),
    route: z
      .object({
        name: z.string(),
        match: z.string(),
        filters: z.array(z.object({ name: z.string(), digest, phases: names })).readonly(),
        upstream: z.string(),
        servers: names,
      })
      .nullable(),
    considered: z.array(z.object({ name: z.string(), matches: z.boolean(), why: z.string() })).readonly(),
    overlaps: names,
  })
  .openapi("Explanation");

const counts = z
  .object({ exchanges: z.int(), failed: z.int(), failures: z.int(), meanMs: z.number() })
  .openapi("TrialCounts");

const kind = z.enum(DIFFERENCE_KINDS);

export const TrialViewSchema: z.ZodType<TrialView> = z
  .object({
    filter: z.string(),
    request: TrialRequestSchema,
    component: z.string(),
    digest,
    startedAt: unixMs,
    present: counts,
    candidate: counts,
    shadow: z
      .object({
        compared: z.int(),
        different: z.int(),
        partly: z.int(),
        dropped: z.int(),
        kinds: z.record(kind, z.int()).readonly(),
        samples: z
          .array(z.object({ at: unixMs, requestId: z.string(), phase: z.string(), kind, detail: z.string() }))
          .readonly(),
      })
      .nullable(),
    burns,
    state: z.enum(["running", "promoted", "rolled-back"]),
    why: z.string(),
  })
  .openapi("Trial");

/** RFC 9457. `code` is public and never renamed; `detail` is one sentence. */
export const ProblemSchema: z.ZodType = z
  .object({
    type: z.literal("about:blank"),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    problems: placedProblems.optional().openapi({ description: "Of CONFIG_REFUSED" }),
    generation: z.int().optional().openapi({ description: "Of GENERATION_CHANGED: the live one" }),
  })
  .openapi("Problem");
