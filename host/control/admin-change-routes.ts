import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import {
  ChangeResultSchema,
  CollectedSchema,
  LogLevelAnswerSchema,
  SwapResultSchema,
} from "./admin-answers.ts";
import { type AdminApp, type AdminEnv, askedBy, body, changes, IfMatch, json } from "./admin-endpoint.ts";
import { entityTag, generationChanged } from "./admin-precondition.ts";
import {
  LogLevelSchema,
  NameParameter,
  NothingSchema,
  OptionalTextSchema,
  RecordRequestSchema,
  RollbackRequestSchema,
  ServerRequestSchema,
  SwapRequestSchema,
  WeightRequestSchema,
} from "./admin-requests.ts";
import type { ChangeResult, Control } from "./control.ts";

/** Adds what changes something. */
export function addChangeRoutes(app: AdminApp, control: Control): void {
  addFilterChanges(app, control);
  addRecording(app, control);
  addConfigChanges(app, control);
  addServerChanges(app, control);
  addOtherChanges(app, control);
}

function addFilterChanges(app: AdminApp, control: Control): void {
  const swap = changes(control, "swap", "FILTER_UNKNOWN", "TRIAL_REFUSED", ...LOADING);
  const end = changes(control, "swap", "FILTER_UNKNOWN", "TRIAL_REFUSED", "CONFIGURE_REFUSED");
  const ending = {
    ...end,
    method: "post",
    request: { params: NameParameter, headers: IfMatch, body: body(NothingSchema) },
    responses: { 200: json("It is done", ChangeResultSchema), ...end.responses },
  } as const;

  const swapRoute = createRoute({
    ...swap,
    method: "post",
    path: "/v1/filters/{name}/swap",
    summary:
      "Puts another artifact or config in the place of a filter's present one, or tries it beside that",
    description:
      "Answers when every worker serves the new generation. After any other answer the old one still serves.",
    request: { params: NameParameter, headers: IfMatch, body: body(SwapRequestSchema) },
    responses: { 200: json("It serves", SwapResultSchema), ...swap.responses },
  });
  app.openapi(swapRoute, async (c) => {
    const result = await control.swap(c.req.valid("param").name, c.req.valid("json"), askedBy(c));
    return c.json(result, 200, live(c, result));
  });

  const promoteRoute = createRoute({
    ...ending,
    path: "/v1/filters/{name}/promote",
    summary: "Ends a filter's trial: the candidate becomes the filter",
  });
  app.openapi(promoteRoute, async (c) => {
    const result = await control.promote(c.req.valid("param").name, askedBy(c));
    return c.json(result, 200, live(c, result));
  });

  const endRoute = createRoute({
    ...ending,
    path: "/v1/filters/{name}/rollback",
    summary: "Ends a filter's trial: the candidate is dropped",
  });
  app.openapi(endRoute, async (c) => {
    const result = await control.endTrial(c.req.valid("param").name, askedBy(c));
    return c.json(result, 200, live(c, result));
  });
}

/** It changes nothing that is served, but it takes copies of what clients send: so who may only look may not. */
function addRecording(app: AdminApp, control: Control): void {
  const record = changes(control, "swap", "FILTER_UNKNOWN", "RECORDING_REFUSED");
  const recordRoute = createRoute({
    ...record,
    method: "post",
    path: "/v1/filters/{name}/record",
    summary: "Records exchanges of a filter, redacted, for `sluice replay`",
    description:
      "Answers line by line while it records: first what is known of the filter, then a line for each exchange, then how it ended. Who goes away ends it.",
    request: { params: NameParameter, headers: IfMatch, body: body(RecordRequestSchema) },
    responses: {
      200: {
        description: "The recording",
        content: {
          [RECORDING_TYPE]: { schema: z.string().openapi({ description: "A JSON document in each line" }) },
        },
      },
      ...record.responses,
    },
  });
  app.openapi(recordRoute, async (c) => {
    meetCondition(c, control);
    const { name } = c.req.valid("param");
    const request = c.req.valid("json");
    const lines = await control.record(name, request);
    const { forMs, exchangesMax, samplePercent } = request;
    c.set("outcome", {
      changes: [`recorded: ${samplePercent} % for ${forMs} ms, ${exchangesMax} at the most`],
    });
    const stream = ReadableStream.from<Uint8Array>(encoded(lines));
    return c.body(stream, 200, { "content-type": RECORDING_TYPE }) as never;
  });
}

async function* encoded(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const line of lines) yield Buffer.from(line);
}

const RECORDING_TYPE = "application/x-ndjson";

function addConfigChanges(app: AdminApp, control: Control): void {
  const apply = changes(control, "admin", "CONFIG_REFUSED", "NO_FILE", "RESTART_NEEDED", ...LOADING);
  const applyRoute = createRoute({
    ...apply,
    method: "post",
    path: "/v1/config/apply",
    summary: "Makes a configuration's text, or the file as it is now, live",
    request: { headers: IfMatch, body: body(OptionalTextSchema) },
    responses: { 200: json("It is live", ChangeResultSchema), ...apply.responses },
  });
  app.openapi(applyRoute, async (c) => {
    const result = await control.apply(c.req.valid("json").text, askedBy(c));
    return c.json(result, 200, live(c, result));
  });

  const rollback = changes(control, "swap", "GENERATION_UNKNOWN", "RESTART_NEEDED", ...LOADING);
  const rollbackRoute = createRoute({
    ...rollback,
    method: "post",
    path: "/v1/rollback",
    summary: "Makes an earlier generation live again, as a new one",
    request: { headers: IfMatch, body: body(RollbackRequestSchema) },
    responses: { 200: json("It is live", ChangeResultSchema), ...rollback.responses },
  });
  app.openapi(rollbackRoute, async (c) => {
    const result = await control.rollback(c.req.valid("json").generation, askedBy(c));
    return c.json(result, 200, live(c, result));
  });
}

function addServerChanges(app: AdminApp, control: Control): void {
  const change = changes(control, "admin", "SERVER_UNKNOWN", "SERVER_NEEDED");
  const changing = {
    ...change,
    method: "post",
    responses: { 200: json("It is live", ChangeResultSchema), ...change.responses },
  } as const;
  const ofServer = { params: NameParameter, headers: IfMatch, body: body(ServerRequestSchema) };

  const drainRoute = createRoute({
    ...changing,
    path: "/v1/upstreams/{name}/drain",
    summary: "Gives a server no new exchanges",
    request: ofServer,
  });
  app.openapi(drainRoute, async (c) => {
    const { server } = c.req.valid("json");
    const result = await control.drainServer(c.req.valid("param").name, server, true, askedBy(c));
    return c.json(result, 200, live(c, result));
  });

  const undrainRoute = createRoute({
    ...changing,
    path: "/v1/upstreams/{name}/undrain",
    summary: "Gives a server exchanges again",
    request: ofServer,
  });
  app.openapi(undrainRoute, async (c) => {
    const { server } = c.req.valid("json");
    const result = await control.drainServer(c.req.valid("param").name, server, false, askedBy(c));
    return c.json(result, 200, live(c, result));
  });

  const weightRoute = createRoute({
    ...changing,
    path: "/v1/upstreams/{name}/weight",
    summary: "Says how many exchanges a server gets, compared with the others",
    request: { params: NameParameter, headers: IfMatch, body: body(WeightRequestSchema) },
  });
  app.openapi(weightRoute, async (c) => {
    const { server, weight } = c.req.valid("json");
    const result = await control.setWeight(c.req.valid("param").name, server, weight, askedBy(c));
    return c.json(result, 200, live(c, result));
  });
}

/** They make no generation, so nobody after this compares the condition with the one that is live. */
function addOtherChanges(app: AdminApp, control: Control): void {
  const change = changes(control, "admin");

  const collectRoute = createRoute({
    ...change,
    method: "post",
    path: "/v1/artifacts/collect",
    summary: "Removes artifacts that nothing names and nobody has used for a while",
    request: { headers: IfMatch, body: body(NothingSchema) },
    responses: { 200: json("Their digests", CollectedSchema), ...change.responses },
  });
  app.openapi(collectRoute, async (c) => {
    meetCondition(c, control);
    const removed = await control.collectArtifacts();
    c.set("outcome", { changes: removed.map((digest) => `artifact ${digest} removed`) });
    return c.json({ removed }, 200);
  });

  const logLevelRoute = createRoute({
    ...change,
    method: "post",
    path: "/v1/log-level",
    summary: "Says which lines are logged, at once and until the next change of the configuration",
    request: { headers: IfMatch, body: body(LogLevelSchema) },
    responses: { 200: json("The level", LogLevelAnswerSchema), ...change.responses },
  });
  app.openapi(logLevelRoute, async (c) => {
    meetCondition(c, control);
    const from = control.logLevel;
    await control.setLogLevel(c.req.valid("json").level);
    c.set("outcome", { changes: [`log.level ${from} → ${control.logLevel}`] });
    return c.json({ level: control.logLevel }, 200);
  });
}

/** What a change may be refused for that loads filters. */
const LOADING = ["ARTIFACT_REFUSED", "SIGNATURE_REFUSED", "GRANT_MISSING", "CONFIGURE_REFUSED"] as const;

/** Keeps what came of it for the audit log, and gives the fields that tell of the generation that is live now. */
function live(c: Context<AdminEnv>, result: ChangeResult): { etag: string } {
  c.set("outcome", result);
  return { etag: entityTag(result.generation) };
}

function meetCondition(c: Context<AdminEnv>, control: Control): void {
  const { generation } = control.status();
  const { condition } = c.var;
  if (condition === undefined || condition === generation) return;
  throw generationChanged(`Generation ${generation} is live, not ${condition}.`, generation);
}
