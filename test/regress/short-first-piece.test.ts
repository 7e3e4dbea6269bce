/** A first piece of a response that was shorter than `HTTP/1.` ended the whole worker. */
import { expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { startProxy } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";

test("a response that begins with one byte alone is a response like any other", async () => {
  await using upstream = await Upstream.start(async ({ socket }) => {
    for (const byte of ok("whole")) await new Promise((resolve) => socket.write(byte, resolve));
  });
  await using host = await startProxy(upstream);
  await using client = await host.connect();
  expect((await client.ask(request("/"))).body.toString()).toBe("whole");
});

test("a server that closes within the first bytes of its head costs its own exchange", async () => {
  await using upstream = await Upstream.start(({ target, socket }) => {
    if (target === "/next") return ok("well");
    socket.end("HT");
    return undefined;
  });
  await using host = await startProxy(upstream);
  await using client = await host.connect();
  expect((await client.ask(request("/", [], "POST"))).status).toBe(502);
  expect((await client.ask(request("/next"))).body.toString()).toBe("well");
});
