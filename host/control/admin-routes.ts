import { isAbsolute } from "node:path";
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Control, FullStatus, Status } from "./control.ts";

/** Adds what the admin API offers, with its description at /openapi.json. */
export function addRoutes(app: OpenAPIHono, control: Control): void {
  app.openapi(metricsRoute, async (c) => {
    const { contentType, body } = await control.metrics();
    return c.text(body, 200, { "content-type": contentType });
  });
  app.openapi(liveRoute, (c) => c.text("live\n", 200));
  app.openapi(readyRoute, (c) => {
    const { ready, reason } = control.readiness();
    const details = c.req.query("verbose") === undefined ? "" : readinessDetails(control.status());
    return ready ? c.text(`${details}ready\n`, 200) : c.text(`${details}${reason}\n`, 503);
  });
  app.openapi(statusRoute, async (c) => c.json(await fullStatus(control), 200));
  app.openapi(swapRoute, async (c) => {
    const result = await control.swap(c.req.valid("param").name, c.req.valid("json"), { by: "local" });
    return c.json(result, 200);
  });
  app.doc31("/openapi.json", () => ({
    openapi: "3.1.0",
    info: { title: "Sluice admin API", version: control.status().version },
  }));
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

/**
 * A line for each worker and each filter, marked as Kubernetes marks them. A quarantined filter does not make the host unready:
 * most likely the other hosts have it, too, and somebody has to serve.
 */
function readinessDetails({ workers, filters }: Status): string {
  const lines = [
    ...workers.map(({ id, state }) => `[${state === "serving" ? "+" : "-"}] worker ${id} ${state}`),
    ...filters.map(({ name, quarantined }) =>
      quarantined === 0
        ? `[+] filter ${name}`
        : `[-] filter ${name} quarantined on ${quarantined} of ${workers.length} workers`,
    ),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

const digest = z.string().regex(/^[0-9a-f]{64}$/, "is 64 lower-case hex digits");

const SwapRequestSchema = z
  .strictObject({
    component: z.string().refine(isAbsolute, "is an absolute path on the host's machine"),
    sha256: digest.optional().openapi({ description: "The file must have this digest." }),
    config: z
      .unknown()
      .optional()
      .openapi({ description: "Replaces the filter's config. Without it the config stays." }),
  })
  .openapi("SwapRequest");

const names = z.array(z.string()).readonly();

const SwapResultSchema = z
  .object({
    generation: z.int(),
    filter: z.string(),
    from: digest,
    to: digest,
    configChanged: z.boolean(),
    durationMs: z.number(),
    changes: names,
  })
  .openapi("SwapResult");

const StatusSchema = z
  .object({
    version: z.string(),
    pid: z.int(),
    startedAt: z.number().openapi({ description: "Unix milliseconds" }),
    generation: z.int(),
    listen: names,
    workers: z
      .array(z.object({ id: z.int(), state: z.enum(["starting", "serving", "draining"]) }))
      .readonly(),
    filters: z
      .array(
        z.object({
          name: z.string(),
          component: z.string(),
          digest,
          path: z.enum(["direct", "reference"]),
          phases: names,
          onFailure: z.enum(["closed", "open"]),
          quarantined: z
            .int()
            .openapi({ description: "Workers that do not call it: it has failed too often" }),
        }),
      )
      .readonly(),
    routes: z.array(z.object({ name: z.string(), filters: names, upstream: z.string() })).readonly(),
    upstreams: z
      .array(
        z.object({
          name: z.string(),
          servers: names,
          addresses: z
            .array(
              z.object({
                upstream: z.string(),
                server: z.string(),
                address: z.string().openapi({ description: "Empty when the server's URL has no name" }),
                states: z
                  .partialRecord(
                    z.enum(["healthy", "slow-start", "ejected", "unhealthy", "leaving"]),
                    z.int(),
                  )
                  .readonly()
                  .openapi({ description: "How many workers think so of it" }),
                inFlight: z.int(),
                pending: z.int(),
                connections: z.int(),
              }),
            )
            .readonly(),
        }),
      )
      .readonly(),
  })
  .openapi("Status");

/** RFC 9457. `code` is public and never renamed; `detail` is one sentence. */
const ProblemSchema = z
  .object({
    type: z.literal("about:blank"),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
  })
  .openapi("Problem");

const text = (description: string) => ({ description, content: { "text/plain": { schema: z.string() } } });
const refused = (description: string) => ({
  description,
  content: { "application/problem+json": { schema: ProblemSchema } },
});

const statusRoute = createRoute({
  method: "get",
  path: "/v1/status",
  summary: "What runs now",
  responses: {
    200: { description: "A snapshot", content: { "application/json": { schema: StatusSchema } } },
  },
});

const swapRoute = createRoute({
  method: "post",
  path: "/v1/filters/{name}/swap",
  summary: "Puts another artifact or config in the place of a filter's present one",
  description:
    "Answers when every worker serves the new generation. After any other answer the old one still serves.",
  request: {
    params: z.object({ name: z.string().max(256) }),
    body: { required: true, content: { "application/json": { schema: SwapRequestSchema } } },
  },
  responses: {
    200: { description: "It serves", content: { "application/json": { schema: SwapResultSchema } } },
    400: refused("BODY_REFUSED: the body is no JSON of this shape"),
    403: refused("ORIGIN_REFUSED: a web page sent it. HOST_REFUSED: the Host is no loopback name"),
    404: refused("FILTER_UNKNOWN: no filter of that name runs"),
    413: refused("BODY_TOO_LARGE: more than 1 MiB"),
    415: refused("CONTENT_TYPE_REFUSED: the body is not application/json"),
    422: refused("ARTIFACT_REFUSED, CONFIGURE_REFUSED: `detail` says why"),
    503: refused("HOST_UNAVAILABLE: the host stops, or lost a worker meanwhile"),
  },
});

const metricsRoute = createRoute({
  method: "get",
  path: "/metrics",
  summary: "All metrics, for Prometheus",
  responses: { 200: text("The exposition") },
});

const liveRoute = createRoute({
  method: "get",
  path: "/livez",
  summary: "Whether the main thread answers",
  responses: { 200: text("It does") },
});

const readyRoute = createRoute({
  method: "get",
  path: "/readyz",
  summary: "Whether every worker serves; with `?verbose` a line for each worker and each filter",
  request: { query: z.object({ verbose: z.string().optional() }) },
  responses: { 200: text("All serve"), 503: text("Why not") },
});
