import type { IncomingMessage } from "node:http";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import type { AdminRole } from "../config/config.ts";
import { ProblemSchema } from "./admin-answers.ts";
import type { Bodies } from "./admin-body.ts";
import { CHALLENGE } from "./admin-guard.ts";
import { type Condition, readIfMatch } from "./admin-precondition.ts";
import { PROBLEMS, Problem, type ProblemCode } from "./admin-problem.ts";
import type { Outcome } from "./audit.ts";
import type { Asked, Control } from "./control.ts";
import { type Caller, isEnough } from "./tokens.ts";

/** What is known of a request while it is answered. */
export interface AdminEnv {
  readonly Bindings: { readonly incoming: IncomingMessage };
  readonly Variables: {
    /** Undefined: a probe, of whom that is not asked. */
    caller: Caller | undefined;
    bodies: Bodies;
    /** A change is asked for, by whomever. */
    isChange: boolean;
    condition: Condition;
    /** For the audit log. */
    filter: string | undefined;
    outcome: Outcome | undefined;
  };
}

export type AdminApp = OpenAPIHono<AdminEnv>;

/** What an endpoint that only tells something has in common with its like. */
export function looks(...codes: readonly ProblemCode[]): Part & { readonly responses: object } {
  return looksAs("read", ...codes);
}

/** The same, of what not everybody may see. */
export function looksAs(
  role: AdminRole,
  ...codes: readonly ProblemCode[]
): Part & { readonly responses: object } {
  return { ...part(role, [needs(role)]), responses: refusals([...EVERY, ...ASKED, ...codes]) };
}

/** An endpoint that tells something about what it is sent. */
export function answers(
  role: AdminRole,
  ...codes: readonly ProblemCode[]
): Part & { readonly responses: object } {
  return {
    ...part(role, [needs(role), takesBody]),
    responses: refusals([...EVERY, ...ASKED, ...SENT, ...codes]),
  };
}

/** An endpoint that changes something. Every attempt of it is in the audit log, whatever comes of it. */
export function changes(
  control: Control,
  role: AdminRole,
  ...codes: readonly ProblemCode[]
): Part & { readonly responses: object } {
  return {
    ...part(role, [isChange, needs(role), takesCondition(control), takesBody]),
    responses: refusals([...EVERY, ...ASKED, ...SENT, "GENERATION_CHANGED", "HOST_UNAVAILABLE", ...codes]),
  };
}

/** An endpoint that nobody needs a token for. */
export function open(): { readonly security: Record<string, string[]>[]; readonly responses: object } {
  return { security: [], responses: refusals(EVERY) };
}

interface Part {
  /** OpenAPI 3.1 §4.8.30: the roles that are needed stand where an OAuth scheme has its scopes. */
  readonly security: Record<string, string[]>[];
  readonly middleware: MiddlewareHandler<AdminEnv>[];
}

export const TOKEN_SCHEME = "token";

/** Who asks for a change, and on what condition. */
export function askedBy(c: Context<AdminEnv>): Asked {
  const { caller, condition } = c.var;
  return { by: caller?.name ?? "", ...(condition !== undefined && { ifGeneration: condition }) };
}

export const IfMatch: z.ZodObject<{ "if-match": z.ZodOptional<z.ZodString> }> = z.object({
  "if-match": z.string().optional().openapi({
    description: 'The change is refused when another generation is live: `"7"`, or `*` for any.',
    example: '"7"',
  }),
});

export function json<Schema extends z.ZodType>(
  description: string,
  schema: Schema,
): { readonly description: string; readonly content: { readonly "application/json": { schema: Schema } } } {
  return { description, content: { "application/json": { schema } } };
}

export function body<Schema extends z.ZodType>(
  schema: Schema,
): { readonly required: true; readonly content: { readonly "application/json": { schema: Schema } } } {
  return { required: true, content: { "application/json": { schema } } };
}

function part(role: AdminRole, middleware: MiddlewareHandler<AdminEnv>[]): Part {
  return { security: [{ [TOKEN_SCHEME]: [role] }], middleware };
}

/** Of every endpoint; of all but the probes; of those that are sent something. */
const EVERY: readonly ProblemCode[] = ["REQUEST_REFUSED", "HOST_REFUSED", "HOST_BROKE"];
const ASKED: readonly ProblemCode[] = ["TOKEN_REFUSED", "ROLE_REFUSED", "GUESSES_REFUSED"];
const SENT: readonly ProblemCode[] = [
  "BODY_REFUSED",
  "ORIGIN_REFUSED",
  "BODY_TOO_LARGE",
  "CONTENT_TYPE_REFUSED",
  "HOST_BUSY",
];

/** The responses of these problems, by status. Their type says nothing: no handler returns a problem, it throws one. */
function refusals(codes: readonly ProblemCode[]): object {
  const byStatus = new Map<number, string[]>();
  for (const code of codes) {
    const { status, meaning } = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), `${code}: ${meaning}`]);
  }
  const content = { "application/problem+json": { schema: ProblemSchema } };
  return Object.fromEntries(
    [...byStatus].map(([status, lines]) => [status, { description: lines.join("\n"), content }]),
  );
}

/** Fails for whom nobody has identified, too: that is asked here, and not taken for done. */
function needs(role: AdminRole): MiddlewareHandler<AdminEnv> {
  return async (c, next) => {
    const { caller } = c.var;
    if (caller === undefined || !isEnough(caller.role, role)) {
      const has = caller === undefined ? "there is none" : `${caller.name} has the role ${caller.role}`;
      throw new Problem("ROLE_REFUSED", `This needs a token with the role ${role}, and ${has}.`, {
        fields: { "www-authenticate": `${CHALLENGE}, error="insufficient_scope", scope="${role}"` },
      });
    }
    await next();
  };
}

const isChange: MiddlewareHandler<AdminEnv> = async (c, next) => {
  c.set("isChange", true);
  if (c.req.path.startsWith("/v1/filters/")) c.set("filter", c.req.param("name"));
  await next();
};

const takesBody: MiddlewareHandler<AdminEnv> = (c, next) => c.var.bodies.hold(c, c.env.incoming, next);

function takesCondition(control: Control): MiddlewareHandler<AdminEnv> {
  return async (c, next) => {
    const { generation } = control.status();
    c.set("condition", readIfMatch(c.req.header("if-match"), generation));
    await next();
  };
}
