import { createRoute, z } from "@hono/zod-openapi";
import {
  ArtifactSchema,
  ConfigViewSchema,
  DifferencesSchema,
  ExplanationSchema,
  FilterStatusSchema,
  FindingsSchema,
  GenerationSchema,
  LogLevelAnswerSchema,
  RefusedRequestSchema,
  StatusSchema,
  TrialViewSchema,
  UpstreamSchema,
  WorkerSchema,
} from "./admin-answers.ts";
import { type AdminApp, answers, body, json, looks } from "./admin-endpoint.ts";
import { entityTag } from "./admin-precondition.ts";
import { Problem } from "./admin-problem.ts";
import {
  ExplainRequestSchema,
  GenerationParameter,
  NameParameter,
  OptionalTextSchema,
  SwapRequestSchema,
  TextSchema,
} from "./admin-requests.ts";
import type { Control, FilterStatus, FullStatus } from "./control.ts";
import { type Caller, isEnough } from "./tokens.ts";

/** Adds what only tells something. */
export function addViewRoutes(app: AdminApp, control: Control): void {
  // Read before what is told: who then changes something on this condition has seen at least so much.
  const tag = (generation = control.status().generation) => ({ etag: entityTag(generation) });

  app.openapi(statusRoute, async (c) => {
    const status = await fullStatus(control);
    return c.json(status, 200, tag(status.generation));
  });
  app.openapi(configRoute, (c) => {
    const view = control.config();
    return c.json(view, 200, tag(view.generation));
  });
  app.openapi(filtersRoute, (c) => {
    const { filters, generation } = control.status();
    return c.json(filters, 200, tag(generation));
  });
  app.openapi(filterRoute, (c) => {
    const { name } = c.req.valid("param");
    const { generation } = control.status();
    return c.json(findFilter(control, name), 200, tag(generation));
  });
  app.openapi(trialRoute, async (c) => {
    const { name } = c.req.valid("param");
    const headers = tag();
    const trial = await control.trial(name);
    if (trial === undefined) throw new Problem("TRIAL_UNKNOWN", `The filter ${name} has had no trial.`);
    return c.json(trial, 200, headers);
  });
  app.openapi(generationsRoute, async (c) => {
    const headers = tag();
    return c.json(await control.generations(), 200, headers);
  });
  app.openapi(generationRoute, async (c) => {
    const number = Number(c.req.valid("param").n);
    const headers = tag();
    const found = (await control.generations()).find((generation) => generation.number === number);
    if (found !== undefined) return c.json(found, 200, headers);
    throw new Problem("GENERATION_UNKNOWN", `There is no generation ${number} among those that are kept.`);
  });
  app.openapi(artifactsRoute, async (c) => {
    const headers = tag();
    return c.json(await control.artifacts(), 200, headers);
  });
  app.openapi(upstreamsRoute, async (c) => {
    const { upstreams, generation } = await fullStatus(control);
    return c.json(upstreams, 200, tag(generation));
  });
  app.openapi(workersRoute, async (c) => {
    const headers = tag();
    return c.json(await control.workers(), 200, headers);
  });
  app.openapi(logLevelRoute, (c) => c.json({ level: control.logLevel }, 200));
  app.openapi(refusedRoute, async (c) => c.json(await control.refusedRequests(), 200));
  addQuestions(app, control);
}

/** What tells something about what it is sent. */
function addQuestions(app: AdminApp, control: Control): void {
  app.openapi(validateRoute, (c) => c.json({ problems: control.validate(c.req.valid("json").text) }, 200));
  app.openapi(diffRoute, async (c) => {
    const { text } = c.req.valid("json");
    if (text !== undefined) refuseLesser(c.var.caller);
    return c.json(await control.diff(text), 200);
  });
  app.openapi(diffSwapRoute, async (c) => {
    return c.json(await control.diffSwap(c.req.valid("param").name, c.req.valid("json")), 200);
  });
  app.openapi(explainRoute, (c) => {
    const { method, url } = c.req.valid("json");
    return c.json(control.explain(method, url), 200);
  });
}

/** A text can name variables of the host's environment and files on its machine, and what is said of it tells what they are. */
function refuseLesser(caller: Caller | undefined): void {
  if (caller !== undefined && !isEnough(caller.role, "admin"))
    throw new Problem("ROLE_REFUSED", "To compare a text takes the role admin; the file takes read.");
}

async function fullStatus(control: Control): Promise<FullStatus> {
  const views = await control.servers();
  const status = control.status();
  return {
    ...status,
    upstreams: status.upstreams.map((named) => ({
      ...named,
      addresses: views.filter(
        ({ upstream, server }) => upstream === named.name && named.servers.includes(server),
      ),
    })),
  };
}

function findFilter(control: Control, name: string): FilterStatus {
  const found = control.status().filters.find((filter) => filter.name === name);
  if (found === undefined) throw new Problem("FILTER_UNKNOWN", `There is no filter named ${name}.`);
  return found;
}

const listOf = <Schema extends z.ZodType>(schema: Schema) => z.array(schema).readonly();
const look = looks();
const lookAtFilter = looks("FILTER_UNKNOWN");
const lookAtTrial = looks("FILTER_UNKNOWN", "TRIAL_UNKNOWN");
const lookAtGeneration = looks("GENERATION_UNKNOWN");
const answer = answers("read");
const validateAnswer = answers("admin");
const diffAnswer = answers("read", "CONFIG_REFUSED", "NO_FILE");
// It has the host read files and ask registries, as a swap does.
const diffSwapAnswer = answers("swap", "FILTER_UNKNOWN", "HOST_UNAVAILABLE");

const statusRoute = createRoute({
  ...look,
  method: "get",
  path: "/v1/status",
  summary: "What runs now",
  responses: { 200: json("A snapshot", StatusSchema), ...look.responses },
});

const configRoute = createRoute({
  ...look,
  method: "get",
  path: "/v1/config",
  summary: "The configuration that runs, redacted, and how the file differs from it",
  responses: { 200: json("The configuration", ConfigViewSchema), ...look.responses },
});

const validateRoute = createRoute({
  ...validateAnswer,
  method: "post",
  path: "/v1/config/validate",
  summary: "Everything that is wrong with a configuration's text, of which nothing is loaded",
  request: { body: body(TextSchema) },
  responses: {
    200: json("What is wrong with it; nothing when it is empty", FindingsSchema),
    ...validateAnswer.responses,
  },
});

const diffRoute = createRoute({
  ...diffAnswer,
  method: "post",
  path: "/v1/config/diff",
  summary: "How a configuration's text, or the file, differs from what runs",
  request: { body: body(OptionalTextSchema) },
  responses: { 200: json("The differences", DifferencesSchema), ...diffAnswer.responses },
});

const filtersRoute = createRoute({
  ...look,
  method: "get",
  path: "/v1/filters",
  summary: "The filters that run",
  responses: { 200: json("All filters", listOf(FilterStatusSchema)), ...look.responses },
});

const filterRoute = createRoute({
  ...lookAtFilter,
  method: "get",
  path: "/v1/filters/{name}",
  summary: "One filter that runs",
  request: { params: NameParameter },
  responses: { 200: json("The filter", FilterStatusSchema), ...lookAtFilter.responses },
});

const diffSwapRoute = createRoute({
  ...diffSwapAnswer,
  method: "post",
  path: "/v1/filters/{name}/diff",
  summary: "What a swap would change, and what it would be refused for",
  request: { params: NameParameter, body: body(SwapRequestSchema) },
  responses: { 200: json("The differences", DifferencesSchema), ...diffSwapAnswer.responses },
});

const trialRoute = createRoute({
  ...lookAtTrial,
  method: "get",
  path: "/v1/filters/{name}/trial",
  summary: "How a filter's trial stands, or what the last one came to",
  request: { params: NameParameter },
  responses: { 200: json("The trial", TrialViewSchema), ...lookAtTrial.responses },
});

const generationsRoute = createRoute({
  ...look,
  method: "get",
  path: "/v1/generations",
  summary: "The generations that are kept, newest first",
  responses: { 200: json("All of them", listOf(GenerationSchema)), ...look.responses },
});

const generationRoute = createRoute({
  ...lookAtGeneration,
  method: "get",
  path: "/v1/generations/{n}",
  summary: "One generation that is kept",
  request: { params: GenerationParameter },
  responses: { 200: json("The generation", GenerationSchema), ...lookAtGeneration.responses },
});

const artifactsRoute = createRoute({
  ...look,
  method: "get",
  path: "/v1/artifacts",
  summary: "The artifacts that are kept on disk",
  responses: { 200: json("All of them", listOf(ArtifactSchema)), ...look.responses },
});

const upstreamsRoute = createRoute({
  ...look,
  method: "get",
  path: "/v1/upstreams",
  summary: "The upstreams, their servers and those servers' addresses",
  responses: { 200: json("All upstreams", listOf(UpstreamSchema)), ...look.responses },
});

const workersRoute = createRoute({
  ...look,
  method: "get",
  path: "/v1/workers",
  summary: "What every worker does now",
  responses: { 200: json("All workers", listOf(WorkerSchema)), ...look.responses },
});

const logLevelRoute = createRoute({
  ...look,
  method: "get",
  path: "/v1/log-level",
  summary: "The least important lines that are logged",
  responses: { 200: json("The level", LogLevelAnswerSchema), ...look.responses },
});

const refusedRoute = createRoute({
  ...look,
  method: "get",
  path: "/v1/refused",
  summary: "The last requests that were refused before they became exchanges, newest first",
  responses: { 200: json("The last ones", listOf(RefusedRequestSchema)), ...look.responses },
});

const explainRoute = createRoute({
  ...answer,
  method: "post",
  path: "/v1/explain",
  summary: "Which route a request would take, and why",
  request: { body: body(ExplainRequestSchema) },
  responses: { 200: json("The explanation", ExplanationSchema), ...answer.responses },
});
