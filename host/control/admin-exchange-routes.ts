import { createRoute, z } from "@hono/zod-openapi";
import { FAILURES, type FailureCode } from "../failure.ts";
import { DECISION } from "../ops/filter-work.ts";
import { FILTER_FAILURE_REASONS, PHASE } from "../ops/meter.ts";
import type { TimelineView } from "../ops/timeline-view.ts";
import type { CallStep, Step, TryStep } from "../timeline.ts";
import { type AdminApp, json, looks } from "./admin-endpoint.ts";
import { Problem } from "./admin-problem.ts";
import { digest } from "./admin-requests.ts";
import type { Control } from "./control.ts";

/** Adds what tells what happened in exchanges. */
export function addExchangeRoutes(app: AdminApp, control: Control): void {
  app.openapi(exchangesRoute, async (c) => {
    const { failed, ...question } = c.req.valid("query");
    return c.json(await control.exchanges({ ...question, failed: failed === "true" }), 200);
  });
  app.openapi(exchangeRoute, async (c) => {
    const { id } = c.req.valid("param");
    const found = await control.exchange(id);
    if (found !== undefined) return c.json(found, 200);
    throw new Problem("EXCHANGE_UNKNOWN", `No exchange ${id} is kept, or not any more.`);
  });
}

const keys = <Key extends string>(table: Readonly<Record<Key, unknown>>) =>
  z.enum(Object.keys(table) as [Key, ...Key[]]);

const failureCode: z.ZodType<FailureCode, FailureCode> = keys(FAILURES);
const ms = z.number();

const CallStepSchema: z.ZodType<CallStep, CallStep> = z
  .object({
    kind: z.literal("call"),
    filter: z.string(),
    digest,
    phase: keys(PHASE),
    startMs: ms.openapi({ description: "Since the exchange began" }),
    ms: ms.openapi({ description: "Of all its calls together" }),
    fuel: z.number(),
    calls: z.int().openapi({ description: "Of a streamed body, as many chunks as were decided alike" }),
    decision: keys(DECISION),
    reason: z.enum(FILTER_FAILURE_REASONS).nullable().openapi({ description: "Why it failed" }),
    changed: z.array(z.string()).readonly().openapi({
      description:
        "`+name` was not there before, `-name` is gone, `~name` has other values; `~:path` and the like are no fields",
    }),
  })
  .openapi("CallStep");

const TryStepSchema: z.ZodType<TryStep, TryStep> = z
  .object({
    kind: z.literal("try"),
    upstream: z.string(),
    server: z.string(),
    startMs: ms.openapi({ description: "Since the exchange began, like `headMs`" }),
    headMs: ms.nullable().openapi({ description: "When the response's head came" }),
    ms: ms.nullable().openapi({ description: "How long it took, the response's body included" }),
    status: z.int().openapi({ description: "0 when no head came" }),
    failure: failureCode.nullable(),
  })
  .openapi("TryStep");

const steps: z.ZodType<readonly Step[], readonly Step[]> = z
  .array(z.union([CallStepSchema, TryStepSchema]))
  .readonly();

const TimelineSchema: z.ZodType<TimelineView, TimelineView> = z
  .object({
    requestId: z.string(),
    worker: z.int(),
    at: z.number().openapi({ description: "When it began; unix milliseconds" }),
    durationMs: ms,
    route: z.string().nullable(),
    method: z.string(),
    path: z.string().openapi({ description: "Without the query" }),
    status: z.int().openapi({ description: "What the client was sent; 0 when no head went out" }),
    requestBytes: z.number(),
    responseBytes: z.number(),
    generation: z.int(),
    failure: z.object({ code: failureCode, detail: z.string() }).nullable(),
    repliedBy: z
      .string()
      .nullable()
      .openapi({ description: "The filter that replied in the upstream's place" }),
    versions: z.record(z.string(), z.string()).readonly().nullable(),
    steps: steps.nullable().openapi({ description: "null: only the exchange as a whole was kept" }),
    more: z.int().openapi({ description: "Steps that there was no room for" }),
  })
  .openapi("Timeline");

const look = looks();
const lookAtExchange = looks("EXCHANGE_UNKNOWN");

const exchangesRoute = createRoute({
  ...look,
  method: "get",
  path: "/v1/exchanges",
  summary: "The exchanges that are kept, newest first: sampled ones, and failed ones",
  request: {
    query: z.strictObject({
      failed: z.enum(["true", "false"]).default("false").openapi({
        description: "Only those with a failure, or a status from 500 on",
      }),
      route: z.string().max(512).optional(),
      filter: z.string().max(128).optional().openapi({
        description: "Only those in which it was called, replied or failed",
      }),
      limit: z.coerce.number().int().min(1).max(500).default(100),
    }),
  },
  responses: { 200: json("The exchanges", z.array(TimelineSchema).readonly()), ...look.responses },
});

const exchangeRoute = createRoute({
  ...lookAtExchange,
  method: "get",
  path: "/v1/exchanges/{id}",
  summary: "What happened in one exchange",
  request: {
    params: z.object({
      id: z
        .string()
        .max(128)
        .openapi({ description: "Its `X-Request-Id`", param: { name: "id", in: "path" } }),
    }),
  },
  responses: { 200: json("The exchange", TimelineSchema), ...lookAtExchange.responses },
});
