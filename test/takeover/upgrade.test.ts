import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RunningHost } from "../cli/running-host.ts";
import { Load } from "../support/load.ts";
import { type Endpoint, RawClient, request } from "../support/raw-client.ts";
import { within } from "../support/waiting.ts";

/** Less to start: the way of the sockets is the same with filters and without. */
const BARE = { filters: {}, routes: [{ upstream: "echo" }] };

test("in 20 take-overs under load no request fails", { timeout: 180_000 }, async () => {
  // Long enough that exchanges are in flight at any time, and that the clients leave something of the processor.
  const slow = (_: unknown, response: ServerResponse): void =>
    void setTimeout(() => response.end("hello"), 4);
  await using host = await RunningHost.start(slow, { ...BARE, log: { exchanges: false } });
  await using load = new Load(endpointOf(host), { keeping: 4, fresh: 4 });
  await load.more(40);

  const pids = new Set<number>();
  for (let round = 0; round < 20; round++) {
    pids.add(await host.upgrade());
    await load.more(40);
  }
  await load.stop();
  host.signal("SIGTERM");
  await host.end();

  expect(load.failures).toEqual([]);
  expect(pids.size).toBe(20);
  const ends = host.lines.filter(({ msg }) => msg === "stopped").map(({ forced }) => forced);
  expect(ends, "every process drained, and was done before its deadline").toEqual(Array(21).fill(false));
});

test("a successor reads the configuration again and answers the operator", async () => {
  await using host = await RunningHost.start(hello, BARE);
  const before = await host.status();
  edit(host, (config) => ({ ...config, routes: [{ ...config.routes[0], name: "renamed" }] }));

  const pid = await host.upgrade();
  await host.line("stopped");

  const { routes, ...after } = await host.status();
  expect([after.pid, after.listen]).toEqual([pid, before.listen]);
  expect(pid).not.toBe(before.pid);
  expect(routes.map(({ name }) => name)).toEqual(["renamed"]);
  expect(await (await fetch(`${host.url}/`)).text()).toBe("hello");

  host.signal("SIGTERM");
  await host.end();
  expect(existsSync(join(host.folder, "admin.sock")), "the socket file goes with the last one").toBe(false);
});

test("an exchange that is in flight ends where it has begun, while the successor serves others", async () => {
  const asked = Promise.withResolvers<ServerResponse>();
  await using host = await RunningHost.start(({ url }, response) => {
    if (url === "/late") asked.resolve(response);
    else response.end("hello");
  }, BARE);
  await using client = await RawClient.connect(endpointOf(host));
  client.send(request("/late"));
  const held = await within("the request at the upstream", asked.promise);

  await host.upgrade();
  await host.line("draining: a successor serves");
  expect(await (await fetch(`${host.url}/`)).text()).toBe("hello");
  held.end("late");

  const { head, body } = await client.response();
  expect([body.toString(), head.one("connection")]).toEqual(["late", "close"]);
  expect(await host.line("stopped")).toMatchObject({ forced: false });
});

test("a successor that cannot start changes nothing, and the log says why", async () => {
  await using host = await RunningHost.start(hello, BARE);
  const { pid } = await host.status();
  const file = join(host.folder, "sluice.yaml");
  const good = readFileSync(file);
  writeFileSync(file, "listen: 8080\n");

  host.signal("SIGUSR2");
  const failed = await host.line("upgrade failed, this process serves on: ");
  expect(failed.msg).toContain("sluice.yaml:1:9 listen: ");
  expect((await host.status()).pid).toBe(pid);
  expect(await (await fetch(`${host.url}/`)).text()).toBe("hello");

  writeFileSync(file, good);
  expect(await host.upgrade(), "it cannot be asked again").not.toBe(pid);
  expect(await (await fetch(`${host.url}/`)).text()).toBe("hello");
});

test("a listener that the new configuration has not is closed, and a new one opened", async () => {
  await using host = await RunningHost.start(hello, BARE);
  const { hostname, port } = new URL(host.url);
  edit(host, (config) => ({ ...config, listen: [`${hostname}:0`, "[::1]:0"] }));
  const first = await host.upgrade();
  expect((await host.status()).listen).toEqual([`${hostname}:${port}`, expect.stringMatching(/^\[::1\]:/)]);

  edit(host, (config) => ({ ...config, listen: ["[::1]:0"] }));
  await host.upgrade();
  const closed = await host.line("nothing is configured for listen 127.0.0.1:0: closed");
  expect(closed["pid"]).not.toBe(first);
  await host.stopped(first);
  await expect(RawClient.connect({ host: hostname, port: Number(port) })).rejects.toThrow("ECONNREFUSED");
});

function hello(_request: unknown, response: ServerResponse): void {
  response.end("hello");
}

interface WrittenConfig {
  readonly routes: readonly object[];
  readonly [option: string]: unknown;
}

function edit(host: RunningHost, change: (config: WrittenConfig) => WrittenConfig): void {
  const file = join(host.folder, "sluice.yaml");
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, "utf8")) as WrittenConfig)));
}

function endpointOf(host: RunningHost): Endpoint {
  const { hostname, port } = new URL(host.url);
  return { host: hostname, port: Number(port) };
}
