import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { RunningHost } from "../../test/cli/running-host.ts";
import type { Finding, Progress } from "../soak.ts";
import { MemoryWatch, residentMiB } from "./host-process.ts";

const GIB = 2 ** 30;
const PIECE = Buffer.alloc(262_144, "sluice ");

/** By how much a process may grow that streams a body of any size. */
const GROWTH_MIB_MAX = 64;

/** Sends a body of 10 GiB through the host in each direction, and looks at the memory of its process. */
export async function soakBodies(quick: boolean, progress: Progress): Promise<Finding> {
  const bytes = quick ? GIB / 4 : 10 * GIB;
  const upstream = createServer((socket) => serve(socket)).listen(0, "127.0.0.1");
  await new Promise((resolve) => upstream.once("listening", resolve));
  const { port } = upstream.address() as AddressInfo;
  await using host = await RunningHost.start(() => {}, {
    filters: {},
    upstreams: { bulk: { servers: [`http://127.0.0.1:${port}`] } },
    routes: [{ upstream: "bulk" }],
    timeouts: { "client-request": "2h" },
    limits: { "client-body-bytes": "16GiB" },
  });
  const figures: Record<string, string> = {};
  const missed: string[] = [];
  for (const way of ["down", "up"] as const) {
    // What the process needs for any traffic at all is not growth.
    await transfer(host.url, way, 64 * 2 ** 20);
    const before = residentMiB(host.pid);
    const watch = new MemoryWatch(host.pid);
    const began = performance.now();
    const passed = await transfer(host.url, way, bytes);
    const seconds = (performance.now() - began) / 1000;
    const growth = watch.stop() - before;
    const figure = `${(passed / GIB).toFixed(2)} GiB in ${seconds.toFixed(0)} s, ${before.toFixed(0)} MiB before, at most ${growth.toFixed(0)} MiB more`;
    progress(`${way}: ${figure}`);
    figures[`body ${way}`] = figure;
    if (passed !== bytes) missed.push(`${way}: ${passed} of ${bytes} bytes came`);
    if (growth > GROWTH_MIB_MAX) missed.push(`${way}: it grew by more than ${GROWTH_MIB_MAX} MiB`);
  }
  upstream.close();
  return { figures, missed };
}

/** Gives how many bytes came out at the other end. */
async function transfer(url: string, way: "down" | "up", bytes: number): Promise<number> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  const fields = `Host: soak\r\nConnection: close\r\n${way === "up" ? `Content-Length: ${bytes}\r\n` : ""}`;
  socket.write(`${way === "up" ? "POST" : "GET"} /${bytes} HTTP/1.1\r\n${fields}\r\n`);
  const answer = countAnswer(socket);
  if (way === "up") await pour(socket, bytes);
  const { length, text } = await answer;
  // Up, the answer is the number of bytes that came.
  return way === "up" ? Number(text) : length;
}

/** What comes after the head of the answer, until the end. */
async function countAnswer(socket: Socket): Promise<{ length: number; text: string }> {
  let head = "";
  let length = 0;
  let text = "";
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    let body = chunk;
    if (!head.endsWith("\r\n\r\n")) {
      const end = chunk.indexOf("\r\n\r\n");
      head += chunk.latin1Slice(0, end < 0 ? chunk.length : end + 4);
      body = end < 0 ? chunk.subarray(chunk.length) : chunk.subarray(end + 4);
    }
    length += body.length;
    if (length < 100) text += body.latin1Slice();
  }
  return { length, text };
}

async function pour(socket: Socket, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; left -= PIECE.length) {
    const room = socket.write(left >= PIECE.length ? PIECE : PIECE.subarray(0, left));
    if (!room) await new Promise((resolve) => socket.once("drain", resolve));
  }
}

/** The upstream: sends as many bytes as the path says, or counts those that come. */
function serve(socket: Socket): void {
  socket.on("error", () => {});
  let head = "";
  let expected = 0;
  let counted = -1;
  const take = (chunk: Buffer): void => {
    let body = chunk;
    if (counted < 0) {
      const end = chunk.indexOf("\r\n\r\n");
      head += chunk.latin1Slice(0, end < 0 ? chunk.length : end + 4);
      if (end < 0) return;
      body = chunk.subarray(end + 4);
      const [, method, size] = /^(\w+) \/(\d+)/.exec(head) ?? [];
      expected = Number(size);
      counted = 0;
      if (method === "GET") {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${expected}\r\nConnection: close\r\n\r\n`);
        void pour(socket, expected).then(() => socket.end());
        return;
      }
    }
    counted += body.length;
    if (counted === expected && head.startsWith("POST")) {
      const text = String(counted);
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`);
    }
  };
  socket.on("data", take);
}
