import { linkSync, lstatSync, unlinkSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, Server as NetServer } from "node:net";
import { dirname, join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { OpenAPIHono, type z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import type { Logger } from "pino";
import type { AdminAddress } from "../config/config.ts";
import { AdminError, formatAdminAddress, isLoopback } from "./admin-address.ts";
import { answerOf, Problem } from "./admin-problem.ts";
import { addRoutes } from "./admin-routes.ts";
import { type Control, Refusal } from "./control.ts";
import {
  ADMIN_NAME,
  descriptorOf,
  type InheritedSocket,
  InheritedSockets,
  socketName,
} from "./inherited-sockets.ts";

export interface Admin {
  /** Where it listens, with the actual port. */
  readonly address: string;
  /** For a process that takes over. */
  readonly socket: InheritedSocket;
  /** Stops accepting at once, lets requests end for a while, and then cuts them off. */
  close(): Promise<void>;
  /**
   * Closes here only: the socket's file stays, for the process that has taken over. Who has been accepted here is still
   * answered here.
   */
  leave(): Promise<void>;
}

/**
 * Serves the admin API. Whoever reaches it may change what runs, and it asks
 * nobody for a name: so it listens on loopback or a socket file only, and answers no web page.
 */
export async function startAdmin(
  control: Control,
  at: AdminAddress,
  log: Logger,
  inherited: InheritedSockets = new InheritedSockets(),
): Promise<Admin> {
  if (at.kind === "tcp" && !isLoopback(at.host)) {
    throw new AdminError(
      `The admin address ${formatAdminAddress(at)} can be reached from other machines, and the admin API asks nobody for a name: ` +
        "it listens on 127.0.0.1, [::1] or unix:/path.",
    );
  }
  const app = buildApp(control, at, log);
  const listener = getRequestListener(app.fetch, {
    // Otherwise every Request and Response of the process would be Hono's.
    overrideGlobalObjects: false,
    errorHandler: () =>
      answerOf(new Problem("REQUEST_REFUSED", "The request's target or Host is malformed.")),
  });
  const server = createServer(
    { requestTimeout: REQUEST_MS_MAX, headersTimeout: REQUEST_MS_MAX },
    (incoming, outgoing) => {
      outgoing.setHeader("cache-control", "no-store");
      outgoing.setHeader("x-content-type-options", "nosniff");
      // A connection that becomes idle after close() has begun would hold it up.
      outgoing.once("finish", () => setImmediate(() => !server.listening && server.closeIdleConnections()));
      void listener(incoming, outgoing);
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  const name = socketName("admin", formatAdminAddress(at));
  const socket = inherited.take(name, ADMIN_NAME);
  if (socket === undefined) await listen(server, at);
  else adopt(server, at, socket);
  const supervised = socket?.supervised ?? false;
  return {
    address: actualAddress(server, at),
    socket: { fd: descriptorOf(server), name, supervised },
    close: () => {
      if (at.kind === "unix" && !supervised) removeFile(at.path);
      return close(server);
    },
    leave: () => leave(server),
  };
}

const BODY_BYTES_MAX = 1_048_576;
const CONNECTIONS_MAX = 256;
const REQUEST_MS_MAX = 10_000;
const CLOSE_MS_MAX = 2_000;
/** Who has connected and then said nothing for so long has no request on its way. */
const LEAVE_IDLE_MS = 1_000;
const PROBE_MS_MAX = 1_000;

function buildApp(control: Control, at: AdminAddress, log: Logger): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success) throw new Problem("BODY_REFUSED", describe(result.error));
    },
  });
  app.use(guard(at));
  addRoutes(app, control);
  // Asked last: who gets here has the right path and the wrong method.
  for (const [path, allow] of methodsByPath(app)) {
    app.all(path, () => {
      throw new Problem("METHOD_REFUSED", `This takes ${allow} only.`, { allow });
    });
  }
  app.notFound((c) => answerOf(new Problem("PATH_UNKNOWN", `There is nothing at ${c.req.path}.`)));
  app.onError((error, c) => answerOf(problemOf(error, c, log)));
  return app;
}

/** A page in the operator's browser can reach loopback, too: nothing that comes from one gets past here. */
function guard(at: AdminAddress): MiddlewareHandler {
  return async (c, next) => {
    const { incoming } = c.env as { incoming: IncomingMessage };
    // The raw field: an absolute-form target would replace it in the request's URL.
    if (at.kind === "tcp" && !isLoopbackField(incoming.headers.host ?? "")) {
      const detail = "The Host of a request to the admin API is localhost, 127.0.0.1 or [::1].";
      throw new Problem("HOST_REFUSED", detail);
    }
    if (c.req.method === "POST") {
      const site = c.req.header("sec-fetch-site");
      if (c.req.header("origin") !== undefined || site === "cross-site" || site === "same-site") {
        const detail = "Web pages change nothing here: the request has an Origin or comes from another site.";
        throw new Problem("ORIGIN_REFUSED", detail);
      }
      const type = c.req.header("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
      if (type !== "application/json") {
        throw new Problem("CONTENT_TYPE_REFUSED", "The body's content type is application/json.");
      }
      c.req.raw = await bounded(c, incoming);
    }
    await next();
  };
}

/**
 * The request with its body in memory. Hono's own body-limit makes a Request out of a Request, which the
 * adapter's light ones do not bear unless they replace those of the whole process.
 */
async function bounded(c: Context, incoming: IncomingMessage): Promise<Request> {
  const chunks: Buffer[] = [];
  let size = 0;
  if (Number(c.req.header("content-length") ?? 0) > BODY_BYTES_MAX) throw tooLarge();
  // The socket has to outlive the loop: it carries the answer.
  for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) throw tooLarge();
    chunks.push(chunk);
  }
  return new Request(c.req.url, {
    method: c.req.method,
    headers: c.req.raw.headers,
    body: Buffer.concat(chunks),
  });
}

function isLoopbackField(host: string): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d{1,5})?$/.exec(host) ?? [];
  const name = bracketed ?? plain;
  return name !== undefined && isLoopback(name);
}

function problemOf(error: Error, c: Context, log: Logger): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof Refusal) return new Problem(error.code, error.message);
  if (error instanceof HTTPException && error.status === 400) {
    return new Problem("BODY_REFUSED", "The body is no JSON.");
  }
  const { incoming } = c.env as { incoming: IncomingMessage };
  // A client that goes away in the middle of its body is no fault of the host, and reads no answer.
  if (incoming.errored === null) {
    log.error({ err: error, method: c.req.method, path: c.req.path }, "admin request failed");
  }
  return new Problem("HOST_BROKE", "The host could not answer; its log says why.");
}

function tooLarge(): Problem {
  return new Problem("BODY_TOO_LARGE", `The body is at most ${BODY_BYTES_MAX} bytes long.`);
}

function describe(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return "The request does not have the shape that is expected.";
  const where = issue.path.join(".");
  return `The request is refused: ${where === "" ? "" : `${where}: `}${issue.message}.`;
}

function methodsByPath(app: OpenAPIHono): Map<string, string> {
  const methods = new Map<string, string>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue;
    // Hono answers HEAD by the route of GET.
    methods.set(path, method === "GET" ? "GET, HEAD" : method);
  }
  return methods;
}

async function listen(server: Server, at: AdminAddress): Promise<void> {
  if (at.kind === "unix") await removeStale(at.path);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("listening", resolve);
  server.once("error", reject);
  try {
    if (at.kind === "tcp") {
      // One address, not whichever the resolver gives first.
      server.listen(at.port, at.host.toLowerCase() === "localhost" ? "127.0.0.1" : at.host);
      await promise;
    } else await listenOnFile(server, at.path, promise);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const taken = code === "EADDRINUSE" || code === "EEXIST";
    throw new AdminError(
      `The admin API cannot listen on ${formatAdminAddress(at)}: ${taken ? "something else listens there" : String(error)}.`,
      undefined,
      { cause: error },
    );
  }
}

/**
 * A server removes the file by whose name it was bound when it closes, also when another process goes on listening on the
 * same socket. So it is bound by another name, and the one that operators know is a second link to it.
 */
async function listenOnFile(server: Server, path: string, listening: Promise<void>): Promise<void> {
  const bound = join(dirname(path), `.${process.pid.toString(36)}`);
  // The socket is made within this call; with a chmod after it there would be a moment for others.
  const before = process.umask(0o177);
  server.listen(bound);
  process.umask(before);
  await listening;
  try {
    linkSync(bound, path);
  } catch (error) {
    server.close();
    throw error;
  }
  unlinkSync(bound);
}

/** Listens on a socket that was open before this process was. */
function adopt(server: Server, at: AdminAddress, { fd }: InheritedSocket): void {
  // A descriptor that is no socket is told by what it is not bound to.
  server.on("error", () => {});
  server.listen({ fd });
  const bound = server.address() as AddressInfo | null;
  if (bound !== null && !isLoopback(bound.address)) {
    server.close();
    throw new AdminError(`The admin API was given a socket that other machines can reach: ${bound.address}.`);
  }
  if ((bound === null) !== (at.kind === "unix") || !server.listening) {
    server.close();
    throw new AdminError(
      `The admin API was given file descriptor ${fd}, and it is no socket like ${formatAdminAddress(at)}.`,
    );
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody has tidied up before.
  }
}

/** A host that was killed leaves its socket file behind, and it would bar the next one for ever. */
async function removeStale(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined || !stats.isSocket()) return;
  const { promise, resolve } = Promise.withResolvers<string>();
  const probe = connect(path);
  probe.setTimeout(PROBE_MS_MAX, () => resolve("silent"));
  probe.once("connect", () => resolve("alive"));
  probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  const found = await promise;
  probe.destroy();
  if (found === "ECONNREFUSED") unlinkSync(path);
}

function actualAddress(server: Server, at: AdminAddress): string {
  const bound = server.address();
  if (bound === null || typeof bound === "string") return formatAdminAddress(at);
  return formatAdminAddress({ kind: "tcp", host: bound.address, port: bound.port });
}

async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS_MAX);
  await promise;
  clearTimeout(cut);
}

async function leave(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // The close of an HTTP server would reset connections whose requests are still on their way.
  NetServer.prototype.close.call(server, () => resolve());
  const idle = setTimeout(() => server.closeIdleConnections(), LEAVE_IDLE_MS);
  const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS_MAX);
  await promise;
  clearTimeout(idle);
  clearTimeout(cut);
}
