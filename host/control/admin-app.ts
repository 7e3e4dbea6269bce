import type { IncomingMessage } from "node:http";
import { OpenAPIHono, type z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import type { Logger } from "pino";
import type { AdminConfig } from "../config/config.ts";
import { withoutTokens } from "../config/problem.ts";
import { Bodies } from "./admin-body.ts";
import type { AdminApp, AdminEnv } from "./admin-endpoint.ts";
import { Guard } from "./admin-guard.ts";
import { generationChanged } from "./admin-precondition.ts";
import { answerOf, Problem } from "./admin-problem.ts";
import { addRoutes } from "./admin-routes.ts";
import type { AuditLog } from "./audit.ts";
import { type Control, Refusal } from "./control.ts";
import { addDashboard } from "./dashboard-assets.ts";
import type { LiveFeed } from "./live-feed.ts";
import { Tokens } from "./tokens.ts";

/** What the admin API is made of. */
export interface AdminParts {
  readonly control: Control;
  readonly config: AdminConfig;
  readonly feed: LiveFeed;
  readonly audit: AuditLog;
  readonly log: Logger;
}

/** The admin API without its socket. A request is noted, then let in or not, and only then is its path looked at. */
export function buildApp(parts: AdminParts): AdminApp {
  const app: AdminApp = new OpenAPIHono<AdminEnv>({
    defaultHook: (result) => {
      if (!result.success) throw misshapen(result.target, result.error);
    },
  });
  const guard = new Guard(parts.config, new Tokens(parts.config.tokens));
  const bodies = new Bodies();
  app.use(noted(parts));
  app.use(async (c, next) => {
    c.set("caller", guard.admit(c.env.incoming));
    c.set("bodies", bodies);
    await next();
  });
  addRoutes(app, parts.control, parts.feed);
  addDashboard(app);
  // Asked last: who gets here has the right path and the wrong method.
  for (const [path, methods] of methodsByPath(app)) {
    const allow = methods.join(", ");
    app.all(path, () => {
      throw new Problem("METHOD_REFUSED", `This takes ${allow} only.`, { fields: { allow } });
    });
  }
  app.notFound((c) => answerOf(new Problem("PATH_UNKNOWN", `There is nothing at ${c.req.path}.`)));
  app.onError((error, c) => answerOf(problemOf(error, c, parts)));
  return app;
}

/** Writes what came of a change, or of somebody who was refused, before it is answered. */
function noted({ control, audit }: AdminParts): MiddlewareHandler<AdminEnv> {
  return async (c, next) => {
    const time = Date.now();
    const began = performance.now();
    const before = liveGeneration(control);
    await next();

    const code = c.error === undefined ? null : codeOf(c.error);
    const { caller, isChange, filter, outcome } = c.var;
    if (!isChange && !isRefusal(code, c.env.incoming)) return;
    const line = {
      time,
      by: caller?.name ?? null,
      role: caller?.role ?? null,
      method: c.env.incoming.method ?? "",
      path: pathOf(c.env.incoming),
      status: c.res.status,
      code,
      before,
      after: outcome?.generation ?? liveGeneration(control),
      durationMs: Math.round((performance.now() - began) * 10) / 10,
      filter,
      changes: outcome?.changes,
      from: outcome?.from,
      to: outcome?.to,
    };
    await (caller === undefined ? audit.writeStranger(line) : audit.write(line));
  };
}

/** Whether somebody was turned away who may have meant to change something, or was not who they should be. */
function isRefusal(code: string | null, { method }: IncomingMessage): boolean {
  switch (code) {
    case "TOKEN_REFUSED":
    case "GUESSES_REFUSED":
    case "ROLE_REFUSED":
      return true;
    case "HOST_REFUSED":
    case "ORIGIN_REFUSED":
    case "REQUEST_REFUSED":
      return method !== "GET" && method !== "HEAD";
    default:
      return false;
  }
}

/** The audit log is written also where the host cannot tell its status. */
function liveGeneration(control: Control): number | null {
  try {
    return control.status().generation;
  } catch {
    return null;
  }
}

function pathOf({ url }: IncomingMessage): string {
  const [path = ""] = (url ?? "").split("?", 1);
  return withoutTokens(path.slice(0, PATH_LENGTH_MAX));
}

/** A stranger chooses the path, and may choose a long one. */
const PATH_LENGTH_MAX = 512;

function codeOf(error: Error): string {
  if (error instanceof Problem || error instanceof Refusal) return error.code;
  return foreignProblem(error)?.code ?? "HOST_BROKE";
}

function problemOf(error: Error, c: Context<AdminEnv>, { control, log }: AdminParts): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof Refusal) return refusedBy(error, control);
  const foreign = foreignProblem(error);
  if (foreign !== undefined) return foreign;
  log.error({ err: error, method: c.req.method, path: pathOf(c.env.incoming) }, "admin request failed");
  return new Problem("HOST_BROKE", "The host could not answer; its log says why.");
}

function refusedBy(refusal: Refusal, control: Control): Problem {
  const { code, message, problems } = refusal;
  if (code === "GENERATION_CHANGED") return generationChanged(message, control.status().generation);
  return code === "CONFIG_REFUSED"
    ? new Problem(code, message, { members: { problems } })
    : new Problem(code, message);
}

/** What Hono itself finds wrong with a body. */
function foreignProblem(error: Error): Problem | undefined {
  if (!(error instanceof HTTPException)) return undefined;
  if (error.status === 400) return new Problem("BODY_REFUSED", "The body is no JSON.");
  if (error.status === 415) {
    return new Problem("CONTENT_TYPE_REFUSED", "The body's content type is application/json.");
  }
  return undefined;
}

function misshapen(target: string, error: z.core.$ZodError): Problem {
  const [issue] = error.issues;
  const where = issue?.path.join(".") ?? "";
  const what = `${where === "" ? "" : `${where}: `}${issue?.message ?? "not of the shape that is expected"}`;
  return new Problem(
    target === "json" ? "BODY_REFUSED" : "REQUEST_REFUSED",
    `The request is refused: ${what}.`,
  );
}

function methodsByPath(app: AdminApp): Map<string, string[]> {
  const methods = new Map<string, string[]>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue;
    // Hono answers HEAD by the route of GET.
    const own = method === "GET" ? ["GET", "HEAD"] : [method];
    methods.set(path, [...new Set([...(methods.get(path) ?? []), ...own])]);
  }
  return methods;
}
