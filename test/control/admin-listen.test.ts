import { once } from "node:events";
import { existsSync, renameSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Desk, exchange, targetOf } from "./desk.ts";

let desk: Desk;

beforeEach(() => {
  desk = new Desk();
});

afterEach(() => desk.close());

test("an address that other machines reach is refused with a sentence", async () => {
  await expect(desk.start("0.0.0.0:0")).rejects.toThrow(
    /^The admin address 0\.0\.0\.0:0 can be reached from other machines/,
  );
  await expect(desk.start("[::]:0")).rejects.toThrow(/^The admin address \[::\]:0 can be reached/);
  await expect(desk.start("example.com:0")).rejects.toThrow(/can be reached/);
});

test("it listens on IPv6 loopback, and by the name localhost", async () => {
  const six = await desk.start("[::1]:0");
  expect(six.address).toMatch(/^\[::1\]:[1-9]\d*$/);
  expect((await exchange(six, "GET /livez HTTP/1.1\nHost: [::1]")).status).toBe(200);

  expect((await desk.start("localhost:0")).address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
});

test("a port that is taken is an error with a sentence", async () => {
  const { address } = await desk.start();

  await expect(desk.start(address)).rejects.toThrow(
    `The admin API cannot listen on ${address}: something else listens there.`,
  );
});

test("a socket file is for the host's user alone, takes any Host, and goes with the host", async () => {
  const path = join(desk.folder, "admin.sock");
  const admin = await desk.start(`unix:${path}`);

  expect(admin.address).toBe(`unix:${path}`);
  expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
  expect((await exchange(admin, "GET /livez HTTP/1.1\nHost: sluice")).status).toBe(200);
  await admin.close();

  expect(existsSync(path)).toBe(false);
});

test("the socket file of a host that was killed does not bar the next one, and that of a living one does", async () => {
  const path = join(desk.folder, "admin.sock");
  const first = createServer().listen(path);
  await once(first, "listening");
  await expect(desk.start(`unix:${path}`)).rejects.toThrow("something else listens there");

  // What a kill leaves: a socket file that nobody listens on.
  const stale = join(desk.folder, "stale.sock");
  renameSync(path, stale);
  first.close();
  await once(first, "close");

  expect((await desk.start(`unix:${stale}`)).address).toBe(`unix:${stale}`);
});

test("a file that is no socket is never removed", async () => {
  const path = join(desk.folder, "admin.sock");
  writeFileSync(path, "mine");

  await expect(desk.start(`unix:${path}`)).rejects.toThrow("something else listens there");
  expect(statSync(path).isFile()).toBe(true);
});

test("closing waits for the answer of a swap under way, and takes no new connection", async () => {
  const admin = await desk.start();
  const { path } = desk.newComponent();
  const gate = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  desk.control.gate = () => {
    entered.resolve();
    return gate.promise;
  };
  // Keep-alive on purpose: the connection is idle after the answer, and must not hold up the close.
  const socket = connect(targetOf(admin));
  const body = JSON.stringify({ component: path });
  const head = `POST /v1/filters/keys/swap HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  socket.write(`GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await once(socket, "data");
  socket.write(`${head}\r\n\r\n${body}`);
  await entered.promise;

  const began = performance.now();
  const closed = admin.close();
  const refused = connect(targetOf(admin));
  const [error] = await once(refused, "error");
  expect(error).toMatchObject({ code: "ECONNREFUSED" });
  gate.resolve();

  expect(await text(socket)).toContain('"generation":2');
  await closed;
  expect(performance.now() - began, "the idle connection held up the close").toBeLessThan(1_900);
});

test("closing cuts off what does not end by itself", async () => {
  const admin = await desk.start();
  const socket = connect(targetOf(admin));
  socket.write(
    "POST /v1/filters/keys/swap HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
  );
  await exchange(admin, "GET /livez HTTP/1.1\nHost: localhost");
  socket.on("error", () => undefined);

  await admin.close();

  if (!socket.closed) await once(socket, "close");
  // By the time that another API has answered, the host's side has noticed, too.
  await exchange(await desk.start(), "GET /livez HTTP/1.1\nHost: localhost");
  expect(desk.lines, "a client that was cut off is no error of the host").toEqual([]);
});
