import assert from "node:assert/strict";
import { createServer } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { type Endpoint, RawClient, type RawResponse, request } from "../support/raw-client.ts";
import { type Arrival, ok, Upstream } from "../support/upstream.ts";
import { BrokenOff } from "../support/wire.ts";

/** What a server does to a request, by the first segment of its path. */
const SERVERS: Readonly<Record<string, (arrival: Arrival) => Promise<void> | void>> = {
  "/reset-head": ({ socket }) => {
    socket.write("HTTP/1.1 200 OK\r\nX-Half", () => socket.resetAndDestroy());
  },
  "/reset-body": ({ socket }) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", () => socket.resetAndDestroy());
  },
  "/end-chunks": ({ socket }) => {
    socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  },
  "/garbage": ({ socket }) => void socket.end("\x00\x01 no HTTP at all"),
  "/stray": ({ socket }) =>
    void socket.write(`${ok("whole")}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray`),
  "/stall": () => {},
  "/drip": async ({ socket }) => {
    for (const byte of ok("whole")) {
      socket.write(byte);
      await turn();
    }
  },
};

/** What each path may come to; `undefined` is a connection that broke off. */
const OUTCOMES: Readonly<Record<string, readonly (number | undefined)[]>> = {
  "/ok": [200],
  "/stray": [200],
  "/drip": [200],
  "/refused": [502],
  "/reset-head": [502],
  "/garbage": [502],
  "/stall": [504],
  "/reset-body": [undefined],
  "/end-chunks": [undefined],
};
const PATHS = Object.keys(OUTCOMES);

/** The parts of a configuration for a host before such an upstream. */
export async function faultyParts(upstream: Upstream): Promise<{
  readonly upstreams: Readonly<Record<string, object>>;
  readonly routes: readonly object[];
  readonly timeouts: Readonly<Record<string, string>>;
  readonly log: object;
}> {
  return {
    upstreams: {
      main: { servers: [upstream.origin] },
      slow: { servers: [upstream.origin], timeouts: { head: "100ms" } },
      nobody: { servers: [`http://127.0.0.1:${await closedPort()}`] },
    },
    routes: [
      { match: { path: "/refused" }, upstream: "nobody" },
      { match: { path: "/stall" }, upstream: "slow" },
      { upstream: "main" },
    ],
    timeouts: { "upstream-keep-alive": "50ms", "client-half-closed": "50ms" },
    log: { exchanges: false },
  };
}

/** An upstream that does to each request what its path says. */
export function startFaulty(): Promise<Upstream> {
  return Upstream.start(async (arrival) => {
    const fault = SERVERS[arrival.target];
    if (fault === undefined) arrival.socket.write(ok("whole"));
    else await fault(arrival);
  });
}

/** Clients that go on as long as there is a next exchange, most of them broken on one side. Gives what should not have come. */
export async function mixFaults(host: Endpoint, clients: number, next: () => boolean): Promise<string[]> {
  const wrong: string[] = [];
  let begun = 0;
  const rounds = Array.from({ length: clients }, async (_, seat) => {
    let client = await RawClient.connect(host);
    while (next()) {
      begun += 1;
      const path = PATHS[(begun * 7 + seat) % PATHS.length] as string;
      // Every fifth client is the one that breaks off, at one place or another.
      const harm = begun % 5 === 0 ? HARMS[(begun / 5) % HARMS.length] : undefined;
      const outcome = await exchange(client, path, harm).catch((error: unknown) => String(error));
      if (harm === undefined && !(OUTCOMES[path] as readonly unknown[]).includes(outcome))
        wrong.push(`${path}: ${String(outcome)}`);
      if (harm !== undefined || outcome === undefined) {
        client.destroy();
        client = await RawClient.connect(host);
      }
    }
    client.destroy();
  });
  await Promise.all(rounds);
  return wrong;
}

const HARMS = ["in the head", "in the body", "behind the request", "half-closed", "garbage"] as const;

/** The status of a whole answer; undefined when the connection broke off. */
async function exchange(
  client: RawClient,
  path: string,
  harm: (typeof HARMS)[number] | undefined,
): Promise<number | undefined> {
  switch (harm) {
    case "in the head":
      client.send("GET /ok HTTP/1.1\r\nHos");
      client.reset();
      return undefined;
    case "in the body":
      client.send(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nsome`);
      await turn();
      client.reset();
      return undefined;
    case "behind the request":
      client.send(request(path));
      await turn();
      client.destroy();
      return undefined;
    case "half-closed":
      client.send(request(path));
      client.wire.socket.end();
      return answered(client.response());
    case "garbage":
      client.send("\x16\x03\x01 no HTTP\r\n\r\n");
      return answered(client.response());
    default:
      return answered(client.ask(request(path)));
  }
}

async function answered(response: Promise<RawResponse>): Promise<number | undefined> {
  try {
    const { status, body } = await response;
    assert(status !== 200 || body.toString() === "whole", body.toString());
    return status;
  } catch (error) {
    if (error instanceof BrokenOff) return undefined;
    throw error;
  }
}

/** A port where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
