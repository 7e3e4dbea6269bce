import { once } from "node:events";
import { chmodSync, existsSync, linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AdminClient } from "../../host/control/admin-client.ts";
import { RunningHost } from "../cli/running-host.ts";
import { type Endpoint, RawClient, request } from "../support/raw-client.ts";
import { waitFor } from "../support/waiting.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-supervisor-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

test("a connection that was there before the host is served, and the socket goes on to a successor", async () => {
  const socket = await listen();
  const endpoint = endpointOf(socket);
  const parts = { ...BARE, listen: [`127.0.0.1:${endpoint.port}`] };
  const starting = RunningHost.start(hello, parts, { sockets: [["web", socket]] });
  // From here on the socket is the host's alone.
  await once(socket, "close");
  await using early = await RawClient.connect(endpoint);
  early.send(request("/"));

  await using host = await starting;
  expect((await early.response()).body.toString()).toBe("hello");
  expect(host.url).toBe(`http://127.0.0.1:${endpoint.port}`);

  await host.upgrade();
  await host.line("stopped");
  await using late = await RawClient.connect(endpoint);
  expect((await late.ask(request("/"))).body.toString()).toBe("hello");
});

test("a socket named admin is the admin API's, and its file is the supervisor's to remove", async () => {
  const bound = join(folder, "bound");
  const path = join(folder, "admin");
  const socket = createServer().listen(bound);
  await once(socket, "listening");
  linkSync(bound, path);
  await using host = await RunningHost.start(hello, BARE, { sockets: [["admin", socket]] });

  const client = new AdminClient({ kind: "unix", path });
  expect((await client.status()).generation).toBe(1);
  await client.close();
  host.signal("SIGTERM");
  expect(await host.end()).toBe(0);
  expect(existsSync(path)).toBe(true);
});

test("a socket on an address that is not configured is refused with a sentence", async () => {
  const socket = await listen();
  const { port } = endpointOf(socket);
  const start = RunningHost.start(hello, BARE, { sockets: [["web", socket]] });
  await expect(start).rejects.toThrow(
    `a supervisor listens on 127.0.0.1:${port} for this process, and \`listen\` has no such address`,
  );
});

test("systemd is told when it serves, who takes its place, and when it stops", async () => {
  // What systemd-notify would say, and not to whom: the real one needs systemd at the other end.
  const told = join(folder, "told");
  const command = join(folder, "systemd-notify");
  writeFileSync(told, "");
  writeFileSync(command, `#!/bin/sh\nprintf '%s\\n' "$*" >> '${told}'\n`);
  chmodSync(command, 0o755);
  const path = `${folder}${delimiter}${process.env["PATH"] ?? ""}`;
  const env = { NOTIFY_SOCKET: "/run/systemd/notify", PATH: path };
  await using host = await RunningHost.start(hello, BARE, { env });
  const news = (count: number): Promise<string[]> =>
    waitFor(`${count} news for systemd`, () => {
      const lines = readFileSync(told, "utf8").split("\n").slice(0, -1);
      return lines.length >= count && lines;
    });
  const { pid: first } = await host.status();
  expect(await news(1)).toEqual([`READY=1 MAINPID=${first}`]);

  const second = await host.upgrade();
  expect(await news(2)).toEqual([`READY=1 MAINPID=${first}`, `READY=1 MAINPID=${second}`]);
  await host.line("stopped");

  host.signal("SIGTERM");
  await host.end();
  expect((await news(3)).slice(2)).toEqual(["STOPPING=1"]);
});

const BARE = { filters: {}, routes: [{ upstream: "echo" }] };

function hello(_request: unknown, response: { end(body: string): void }): void {
  response.end("hello");
}

async function listen(): Promise<Server> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function endpointOf(server: Server): Endpoint {
  const { port } = server.address() as AddressInfo;
  return { host: "127.0.0.1", port };
}
