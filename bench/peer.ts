/**
 * One of the other proxies on Node, in a process of its own:
 *
 *   node bench/peer.ts KIND PORT TLS-PORT UPSTREAM-PORT CERTIFICATE KEY
 *
 * Each is set up as its own documentation would have it for load: connections to the upstream are kept, nothing is logged,
 * and nothing is switched on that it could do beside.
 */
import fastifyProxy from "@fastify/http-proxy";
import fastProxy from "fast-proxy";
import { fastify } from "fastify";
import { createProxyServer as createHttpProxy3 } from "http-proxy-3";
import { createProxyServer as createHttpxy } from "httpxy";
import { readFileSync } from "node:fs";
import { Agent, createServer, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";

const HOST = "127.0.0.1";
const [kind = "", port, tlsPort, upstreamPort, certificate = "", key = ""] = process.argv.slice(2);
const target = `http://${HOST}:${upstreamPort}`;
const tls = { cert: readFileSync(certificate), key: readFileSync(key) };

/** The default of `maxFreeSockets`, 256, would close connections under a thousand clients. */
const agent = new Agent({ keepAlive: true, maxFreeSockets: 2_048 });

/** The pool that @fastify/http-proxy has where nothing else is said. */
const POOL = { connections: 128, pipelining: 1 };

const SERVERS: Readonly<Record<string, () => void | Promise<void>>> = {
  "http-proxy-3": () => {
    const proxy = createHttpProxy3({ target, agent });
    proxy.on("error", complain);
    serve((request, response) => proxy.web(request, response));
  },

  httpxy: () => {
    const proxy = createHttpxy({ target, agent });
    serve((request, response) => void proxy.web(request, response).catch(complain));
  },

  "fast-proxy": () => {
    // The pool that it comes with: with a bound of 128 it stopped answering once clients had broken off answers in their middle.
    const fast = fastProxy({ base: target, undici: true });
    serve((request, response) => fast.proxy(request, response, request.url ?? "/", {}));
  },

  async fastify() {
    for (const [https, at] of [
      [null, port],
      [tls, tlsPort],
    ] as const) {
      const app = fastify({ logger: false, https });
      await app.register(fastifyProxy, { upstream: target, undici: POOL });
      await app.listen({ port: Number(at), host: HOST, backlog: BACKLOG });
    }
  },
};

const BACKLOG = 4_096;

function serve(listener: RequestListener): void {
  createServer(listener).listen({ port: Number(port), host: HOST, backlog: BACKLOG });
  createSecureServer(tls, listener).listen({ port: Number(tlsPort), host: HOST, backlog: BACKLOG });
}

/** Into its log: what the client gets is counted by whoever measures. */
function complain(error: unknown): void {
  console.error(error);
}

const start = SERVERS[kind];
if (start === undefined) throw new Error(`${kind} is none of ${Object.keys(SERVERS).join(", ")}`);
await start();
