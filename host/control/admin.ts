import { linkSync, lstatSync, unlinkSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, Server as NetServer, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import type { Logger } from "pino";
import { isLoopback } from "../config/address.ts";
import type { AdminAddress, AdminConfig } from "../config/config.ts";
import { AdminError, formatAdminAddress } from "./admin-address.ts";
import { buildApp } from "./admin-app.ts";
import { answerOf, Problem } from "./admin-problem.ts";
import { AuditLog } from "./audit.ts";
import type { Control } from "./control.ts";
import { LiveFeed } from "./live-feed.ts";
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
 * Serves the admin API. Whoever reaches it may change what runs: so it listens on loopback or a socket file, or asks for tokens,
 * and answers no web page.
 */
export async function startAdmin(
  control: Control,
  config: AdminConfig,
  log: Logger,
  inherited: InheritedSockets = new InheritedSockets(),
): Promise<Admin> {
  const { address: at } = config;
  if (at.kind === "tcp" && !isLoopback(at.host) && config.tokens.length === 0) {
    throw new AdminError(
      `The admin address ${formatAdminAddress(at)} can be reached from other machines, and without tokens the admin API asks nobody ` +
        "for a name: it listens on 127.0.0.1, [::1] or unix:/path, or has tokens (admin.tokens).",
    );
  }
  const audit = await AuditLog.open(config.audit, log);
  const feed = new LiveFeed(control);
  const app = buildApp({ control, config, feed, audit, log });
  const server = createAdminServer(
    getRequestListener(app.fetch, {
      // Otherwise every Request and Response of the process would be Hono's.
      overrideGlobalObjects: false,
      errorHandler: () =>
        answerOf(new Problem("REQUEST_REFUSED", "The request's target or Host is malformed.")),
    }),
  );
  const name = socketName("admin", formatAdminAddress(at));
  const socket = inherited.take(name, ADMIN_NAME);
  try {
    if (socket === undefined) await listen(server, at);
    else adopt(server, config, socket);
  } catch (error) {
    await audit.close();
    throw error;
  }
  const supervised = socket?.supervised ?? false;
  const end = async (closed: Promise<void>): Promise<void> => {
    // Who looks on asks again, and is answered by the host that has taken over.
    feed.close();
    await closed;
    await audit.close();
  };
  return {
    address: actualAddress(server, at),
    socket: { fd: descriptorOf(server), name, supervised },
    close: () => {
      if (at.kind === "unix" && !supervised) removeFile(at.path);
      return end(close(server));
    },
    leave: () => end(leave(server)),
  };
}

/** The only ones of the process are operators, their tools and what scrapes the metrics. */
const CONNECTIONS_MAX = 1_024;
/** Requests of one connection that are answered at the same time. No client of ours sends one before the last is answered. */
const PIPELINED_MAX = 64;
const HEAD_BYTES_MAX = 16_384;
const REQUEST_MS_MAX = 10_000;
/** How often it is looked at who has been too slow. */
const CHECK_MS = 1_000;
/** Neither side has said anything for so long. Longer than any swap takes. */
const SILENCE_MS_MAX = 300_000;
const CLOSE_MS_MAX = 2_000;
/** Who has connected and then said nothing for so long has no request on its way. */
const LEAVE_IDLE_MS = 1_000;
const PROBE_MS_MAX = 1_000;

function createAdminServer(listener: ReturnType<typeof getRequestListener>): Server {
  const under = new WeakMap<Socket, number>();
  const server = createServer(
    {
      requestTimeout: REQUEST_MS_MAX,
      headersTimeout: REQUEST_MS_MAX,
      connectionsCheckingInterval: CHECK_MS,
      maxHeaderSize: HEAD_BYTES_MAX,
    },
    (incoming, outgoing) => {
      const { socket } = incoming;
      const others = under.get(socket) ?? 0;
      if (others >= PIPELINED_MAX) {
        socket.destroy();
        return;
      }
      under.set(socket, others + 1);
      outgoing.once("close", () => under.set(socket, (under.get(socket) ?? 1) - 1));
      outgoing.setHeader("cache-control", "no-store");
      outgoing.setHeader("x-content-type-options", "nosniff");
      // A connection that becomes idle after close() has begun would hold it up.
      outgoing.once("finish", () => setImmediate(() => !server.listening && server.closeIdleConnections()));
      void listener(incoming, outgoing);
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.timeout = SILENCE_MS_MAX;
  // The size of a head bounds them, and a field too many must not be one that nobody has looked at.
  server.maxHeadersCount = 0;
  return server;
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
function adopt(server: Server, { address: at, tokens }: AdminConfig, { fd }: InheritedSocket): void {
  // A descriptor that is no socket is told by what it is not bound to.
  server.on("error", () => {});
  server.listen({ fd });
  const bound = server.address() as AddressInfo | null;
  if (bound !== null && !isLoopback(bound.address) && tokens.length === 0) {
    server.close();
    throw new AdminError(
      `The admin API was given a socket that other machines can reach, and has no tokens: ${bound.address}.`,
    );
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
