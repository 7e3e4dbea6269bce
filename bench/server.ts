/**
 * One server of the benchmark, in a process of its own:
 *
 *   node bench/server.ts upstream|http-proxy-3|fastify PORT [UPSTREAM-PORT]
 */
import fastifyProxy from "@fastify/http-proxy";
import { fastify } from "fastify";
import { createProxyServer } from "http-proxy-3";
import { Agent, createServer as createHttpServer } from "node:http";
import { createServer, type Socket } from "node:net";

const HOST = "127.0.0.1";

const SERVERS: Readonly<Record<string, (port: number, upstreamPort: number) => void | Promise<void>>> = {
  /** Answers every request with the same kilobyte, for less than any proxy spends on it. */
  upstream(port) {
    const body = "x".repeat(1_024);
    const date = new Date().toUTCString();
    const response = Buffer.from(
      `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: ${date}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    createServer({ noDelay: true }, (socket) => answerHeads(socket, response)).listen(port, HOST);
  },

  "http-proxy-3": (port, upstreamPort) => {
    const proxy = createProxyServer({
      target: `http://${HOST}:${upstreamPort}`,
      // Without one it opens a connection for every request.
      agent: new Agent({ keepAlive: true }),
    });
    createHttpServer((request, response) => {
      proxy.web(request, response);
    }).listen(port, HOST);
  },

  async fastify(port, upstreamPort) {
    const app = fastify({ logger: false });
    await app.register(fastifyProxy, { upstream: `http://${HOST}:${upstreamPort}` });
    await app.listen({ port, host: HOST });
  },
};

/** Writes the response once for each end of a head; the requests have no bodies. */
function answerHeads(socket: Socket, response: Buffer): void {
  let last = "";
  socket.on("error", () => socket.destroy());
  socket.setEncoding("latin1").on("data", (bytes: string) => {
    const text = last + bytes;
    let from = 0;
    for (let at = text.indexOf(HEAD_END); at >= 0; at = text.indexOf(HEAD_END, from)) {
      from = at + HEAD_END.length;
      socket.write(response);
    }
    last = text.slice(from);
  });
}

const HEAD_END = "\r\n\r\n";

const [kind = "", port, upstreamPort] = process.argv.slice(2);
const serve = SERVERS[kind];
if (serve === undefined) throw new Error(`${kind} is none of ${Object.keys(SERVERS).join(", ")}`);
await serve(Number(port), Number(upstreamPort));
