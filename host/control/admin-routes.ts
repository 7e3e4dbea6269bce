import { createRoute, z } from "@hono/zod-openapi";
import { accepts } from "hono/accepts";
import { addChangeRoutes } from "./admin-change-routes.ts";
import { type AdminApp, json, looks, open, TOKEN_SCHEME } from "./admin-endpoint.ts";
import { addExchangeRoutes } from "./admin-exchange-routes.ts";
import { addLiveRoutes } from "./admin-live-routes.ts";
import { addViewRoutes } from "./admin-view-routes.ts";
import type { Control, Status } from "./control.ts";
import type { LiveFeed } from "./live-feed.ts";

/** Adds what the admin API offers, with its description at /openapi.json. */
export function addRoutes(app: AdminApp, control: Control, feed: LiveFeed): void {
  app.openapi(liveRoute, (c) => c.text("live\n", 200));
  app.openapi(readyRoute, (c) => {
    const { ready, reason } = control.readiness();
    // Names of filters are told to those who may see them elsewhere, too. A probe is told whether, and nobody asks it who it is.
    const isDetailed = c.req.query("verbose") !== undefined && c.var.caller !== undefined;
    const details = isDetailed ? readinessDetails(control.status()) : "";
    return ready ? c.text(`${details}ready\n`, 200) : c.text(`${details}${reason}\n`, 503);
  });
  app.openapi(metricsRoute, async (c) => {
    const type = accepts(c, { header: "Accept", supports: [TEXT, OPENMETRICS], default: TEXT });
    const { contentType, body } = await control.metrics(type === TEXT ? "text" : "openmetrics");
    return c.text(body, 200, { "content-type": contentType, vary: "accept" });
  });
  addViewRoutes(app, control);
  addExchangeRoutes(app, control);
  addLiveRoutes(app, control, feed);
  addChangeRoutes(app, control);
  app.openAPIRegistry.registerComponent("securitySchemes", TOKEN_SCHEME, {
    type: "http",
    scheme: "bearer",
    description: "Made by `sluice token`, and known to the host by its SHA-256 alone (`admin.tokens`).",
  });
  app.openapi(descriptionRoute, (c) => {
    const info = { title: "Sluice admin API", version: control.status().version, description: DESCRIPTION };
    return c.json(app.getOpenAPI31Document({ openapi: "3.1.0", info }) as object, 200);
  });
}

const DESCRIPTION = `\
Where the configuration has \`admin.tokens\`, every request but those to /livez and /readyz carries one of them, as \
\`Authorization: Bearer slc_…\`. Each endpoint's \`security\` names the role that it needs: \`read\`, \`swap\`, which may do what \
\`read\` may, or \`admin\`, which may do everything. Without tokens only this machine reaches the API, and whoever does has the role \
\`admin\`.

Answers under /v1/ that are got carry the number of the live generation as their \`ETag\`. A change with \`If-Match\` is made while that \
generation is live, and is refused with GENERATION_CHANGED (412) otherwise. What is refused changes nothing.`;

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

const TEXT = "text/plain";
const OPENMETRICS = "application/openmetrics-text";

const text = (description: string) => ({ description, content: { "text/plain": { schema: z.string() } } });

const probe = open();
const look = looks();

const liveRoute = createRoute({
  ...probe,
  method: "get",
  path: "/livez",
  summary: "Whether the main thread answers",
  responses: { 200: text("It does"), ...probe.responses },
});

const readyRoute = createRoute({
  ...probe,
  method: "get",
  path: "/readyz",
  summary: "Whether every worker serves",
  request: {
    query: z.object({
      verbose: z.string().optional().openapi({
        description: "A line for each worker and each filter, too, for who has a token where one is needed",
      }),
    }),
  },
  responses: { 200: text("All serve"), 503: text("Why not"), ...probe.responses },
});

const metricsRoute = createRoute({
  ...look,
  method: "get",
  path: "/metrics",
  summary: "All metrics, for Prometheus",
  responses: {
    200: {
      description: "The exposition; OpenMetrics, with exemplars, for who prefers it",
      content: { [TEXT]: { schema: z.string() }, [OPENMETRICS]: { schema: z.string() } },
    },
    ...look.responses,
  },
});

const descriptionRoute = createRoute({
  ...look,
  method: "get",
  path: "/openapi.json",
  summary: "This API, in OpenAPI 3.1",
  responses: { 200: json("The description", z.looseObject({})), ...look.responses },
});
