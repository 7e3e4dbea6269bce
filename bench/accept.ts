/**
 * How connections reach the workers: every worker listens for itself (`reusePort`), or the main thread accepts and hands each
 * connection to the worker that has the fewest. Prints, for each way, CPU per connection, the balance of few long
 * connections, and how many connections are lost when one worker of two goes away under load.
 *
 *   node bench/accept.ts [--connections 8000]
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { parseArgs } from "node:util";

const WAYS = ["reuse-port", "hand-over"] as const;
const ROUNDS = 3;
const AT_ONCE = 32;
const LONG = 8;
const TICKS_PER_SECOND = 100;

const { values } = parseArgs({ options: { connections: { type: "string", default: "8000" } } });
const connections = Number(values.connections);

const rows = new Map<string, { cpuUs: number[]; spread: string[]; lost: number[] }>();
for (let round = 0; round < ROUNDS; round++) {
  for (const way of WAYS) {
    const row = rows.get(way) ?? { cpuUs: [], spread: [], lost: [] };
    rows.set(way, row);
    const server = fork(new URL("./support/accept-server.ts", import.meta.url), [way]);
    const [port] = (await once(server, "message")) as [number];
    await many(port, 2_000, AT_ONCE);
    const before = cpuSeconds(server);
    await many(port, connections, AT_ONCE);
    row.cpuUs.push(((cpuSeconds(server) - before) * 1e6) / connections);
    row.spread.push(await spread(server, port));
    row.lost.push(await lostWhenOneLeaves(server, port));
    server.kill();
    await once(server, "exit");
  }
}
for (const [way, { cpuUs, spread: spreads, lost }] of rows) {
  const median = cpuUs.toSorted((a, b) => a - b)[Math.floor(cpuUs.length / 2)] ?? 0;
  console.log(
    `${way.padEnd(12)} ${median.toFixed(0)} µs of CPU a connection; ${LONG} long ones: ${spreads.join(", ")}; lost: ${lost.join(", ")}`,
  );
}

/** Opens so many connections, each for one request; gives how many of them failed. */
async function many(port: number, count: number, atOnce: number): Promise<number> {
  let begun = 0;
  let failed = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (begun < count) {
        begun += 1;
        if (!(await one(port))) failed += 1;
      }
    }),
  );
  return failed;
}

function one(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    socket.on("data", (data) => {
      answer += data.toString("latin1");
    });
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(answer.endsWith("ok")));
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  });
}

/** How few connections that stay are spread over two workers. */
async function spread(server: ChildProcess, port: number): Promise<string> {
  const open = Array.from({ length: LONG }, () => connect(port, "127.0.0.1"));
  await Promise.all(open.map((socket) => once(socket, "connect")));
  server.send(LONG);
  const [counts] = (await once(server, "message")) as [number[]];
  for (const socket of open) socket.destroy();
  return counts.join("/");
}

async function lostWhenOneLeaves(server: ChildProcess, port: number): Promise<number> {
  const load = many(port, connections, AT_ONCE);
  server.send("leave");
  return load;
}

/** Of the whole process, with all its threads. */
function cpuSeconds({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
