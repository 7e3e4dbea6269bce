import { createRoute, z } from "@hono/zod-openapi";
import { type AdminApp, json, looks, looksAs } from "./admin-endpoint.ts";
import { isForeign } from "./admin-guard.ts";
import { Problem } from "./admin-problem.ts";
import { ConfigTextSchema, WhoamiSchema } from "./admin-answers.ts";
import type { Control } from "./control.ts";
import type { LiveFeed } from "./live-feed.ts";

/** Adds what the dashboard needs beside what operators ask for. */
export function addLiveRoutes(app: AdminApp, control: Control, feed: LiveFeed): void {
  app.openapi(whoamiRoute, (c) => {
    const { caller } = c.var;
    if (caller === undefined) throw new Problem("TOKEN_REFUSED", "Nobody knows who asks.");
    return c.json({ name: caller.name, role: caller.role }, 200);
  });
  app.openapi(liveRoute, (c) => {
    const { incoming } = c.env;
    // Another page cannot read it, but it could take the place of somebody who can.
    if (isForeign(incoming.headers["sec-fetch-site"]))
      throw new Problem("ORIGIN_REFUSED", "Other web pages do not look on.");
    const headers = { "content-type": EVENTS_TYPE };
    if (incoming.method === "HEAD") return c.body(null, 200, headers) as never;
    return c.body(
      feed.open(() => incoming.socket.destroy()),
      200,
      headers,
    ) as never;
  });
  app.openapi(textRoute, (c) => c.json({ text: control.configText() }, 200));
}

const EVENTS_TYPE = "text/event-stream";

const look = looks();
const lookLive = looks("ORIGIN_REFUSED", "LIVE_REFUSED", "HOST_UNAVAILABLE");
const lookText = looksAs("admin", "NO_FILE");

const whoamiRoute = createRoute({
  ...look,
  method: "get",
  path: "/v1/whoami",
  summary: "Who asks, and what they may",
  responses: { 200: json("The name of the token and its role", WhoamiSchema), ...look.responses },
});

const liveRoute = createRoute({
  ...lookLive,
  method: "get",
  path: "/v1/live",
  summary: "What the host does, each second, as server-sent events",
  description:
    "The first event, `whole`, has a document; each one after it, `patch`, is a JSON merge patch (RFC 7396) of it. Who does not read is cut off.",
  responses: {
    200: {
      description: "The events",
      content: { [EVENTS_TYPE]: { schema: z.string().openapi({ description: "Server-sent events" }) } },
    },
    ...lookLive.responses,
  },
});

const textRoute = createRoute({
  ...lookText,
  method: "get",
  path: "/v1/config/text",
  summary: "The configuration's file as it is now, with all that is in it",
  responses: { 200: json("Its text", ConfigTextSchema), ...lookText.responses },
});
