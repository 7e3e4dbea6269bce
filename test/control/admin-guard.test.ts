import type { IncomingMessage } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readAdminAddress } from "../../host/control/admin-address.ts";
import { Guard } from "../../host/control/admin-guard.ts";
import type { Problem } from "../../host/control/admin-problem.ts";
import { Tokens } from "../../host/control/tokens.ts";
import { Desk, exchange, JSON_TYPE, post, TOKENS, WORDS } from "./desk.ts";

let desk: Desk;

beforeEach(() => {
  desk = new Desk();
});

afterEach(() => desk.close());

test.each([
  ["no content type", ""],
  ["a form", "Content-Type: application/x-www-form-urlencoded"],
  ["plain text, which a page may send without asking", "Content-Type: text/plain"],
  ["a type that only begins like JSON", "Content-Type: application/json-patch+json"],
  ["a problem", "Content-Type: application/problem+json"],
])("a swap with %s is refused with 415", async (_what, fields) => {
  const { path } = desk.newComponent();

  const reply = await post(await desk.start(), JSON.stringify({ component: path }), fields);

  expect(reply.status).toBe(415);
  expect(JSON.parse(reply.body)).toMatchObject({ code: "CONTENT_TYPE_REFUSED" });
  expect(desk.control.generation, "it was done all the same").toBe(1);
});

test("a content type may have parameters and any case", async () => {
  const { path } = desk.newComponent();

  const reply = await post(
    await desk.start(),
    JSON.stringify({ component: path }),
    "Content-Type: Application/JSON; charset=utf-8",
  );

  expect(reply.status).toBe(200);
});

test.each([
  ["text that is no JSON", "{", /no JSON/],
  ["an empty body", "", /no JSON/],
  ["a list", "[]", /expected object/],
  ["a relative path", '{"component":"new.wasm"}', /component: is an absolute path/],
  ["a digest in upper case", `{"component":"/a","sha256":"${"A".repeat(64)}"}`, /sha256: is 64 lower-case/],
  ["a member that does not exist", '{"component":"/a","sha265":"x"}', /sha265/],
])("a swap with %s is refused with 400 and the reason", async (_what, body, reason) => {
  const reply = await post(await desk.start(), body);

  expect(reply.status).toBe(400);
  expect(JSON.parse(reply.body)).toMatchObject({
    code: "BODY_REFUSED",
    detail: expect.stringMatching(reason),
  });
  expect(desk.control.generation, "it was done all the same").toBe(1);
});

test("a body of just under 1 MiB is taken, and one over it is refused with 413", async () => {
  const admin = await desk.start();
  const { path } = desk.newComponent();
  const frame = JSON.stringify({ component: path, config: "" }).length;
  const fits = JSON.stringify({ component: path, config: "x".repeat(1_048_576 - frame) });

  expect((await post(admin, fits)).status).toBe(200);
  const reply = await post(admin, `${fits} `);

  expect(reply.status).toBe(413);
  expect(JSON.parse(reply.body)).toMatchObject({ code: "BODY_TOO_LARGE" });
  expect(desk.control.generation).toBe(2);
});

test("a body that says of itself that it is too long is refused before a byte of it is read", async () => {
  const head = `POST /v1/filters/keys/swap HTTP/1.1\nHost: localhost\n${JSON_TYPE}\nContent-Length: 1048577`;

  expect((await exchange(await desk.start(), head)).status).toBe(413);
});

test("a chunked body is taken, and counted where it has no length", async () => {
  const admin = await desk.start();
  const { path } = desk.newComponent();
  const head =
    "POST /v1/filters/keys/swap HTTP/1.1\nHost: localhost\nContent-Type: application/json\nTransfer-Encoding: chunked";
  const chunked = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

  expect((await exchange(admin, head, chunked(JSON.stringify({ component: path })))).status).toBe(200);
  const reply = await exchange(admin, head, chunked(JSON.stringify({ config: "x".repeat(1_048_577) })));

  expect(reply.status).toBe(413);
  expect(desk.control.generation).toBe(2);
});

test.each(["localhost", "LOCALHOST:9901", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:9901", "127.8.8.8"])(
  "a request for the loopback name %s is answered",
  async (host) => {
    expect((await exchange(await desk.start(), `GET /livez HTTP/1.1\nHost: ${host}`)).status).toBe(200);
  },
);

test.each([
  "evil.example",
  "evil.example:9901",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "10.0.0.1",
  "[::2]",
  "localhost@evil.example",
  "localhost:9901:80",
  "2130706433",
  "",
])("a page that has rebound its name is not served: Host %j", async (host) => {
  const reply = await exchange(await desk.start(), `GET /v1/status HTTP/1.1\nHost: ${host}`);

  expect([400, 403]).toContain(reply.status);
  expect(reply.body).not.toContain("generation");
});

test("the Host of a rebound name is named as the reason, even when the target has a loopback name", async () => {
  const reply = await exchange(
    await desk.start(),
    "GET http://127.0.0.1/v1/status HTTP/1.1\nHost: evil.example",
  );

  expect(reply.status).toBe(403);
  expect(JSON.parse(reply.body)).toMatchObject({ code: "HOST_REFUSED" });
});

test.each([
  ["an Origin", "Origin: http://localhost:9901"],
  ["the Origin of a sandbox", "Origin: null"],
  ["another site behind it", "Sec-Fetch-Site: cross-site"],
  ["another port of this machine behind it", "Sec-Fetch-Site: same-site"],
])("a swap with %s comes from a web page and is refused", async (_what, field) => {
  const { path } = desk.newComponent();

  const reply = await post(await desk.start(), JSON.stringify({ component: path }), `${JSON_TYPE}\n${field}`);

  expect(reply.status).toBe(403);
  expect(JSON.parse(reply.body)).toMatchObject({ code: "ORIGIN_REFUSED" });
  expect(desk.control.generation, "it was done all the same").toBe(1);
});

test.each([
  ["by the browser's word for it", ["Origin: http://localhost", "Sec-Fetch-Site: same-origin"]],
  ["by its Origin alone, where the browser says no more", ["Origin: http://localhost"]],
  ["behind something that speaks TLS", ["Origin: https://localhost", "Sec-Fetch-Site: same-origin"]],
])("a swap from a page of this very address is made: %s", async (_what, fields) => {
  const { path } = desk.newComponent();

  const admin = await desk.start();
  const reply = await post(admin, JSON.stringify({ component: path }), [JSON_TYPE, ...fields].join("\n"));

  expect(reply.status, reply.body).toBe(200);
  expect(desk.control.generation).toBe(2);
});

test.each([
  ["from another site by the browser's word", ["Origin: http://localhost", "Sec-Fetch-Site: cross-site"]],
  ["from another port by the browser's word", ["Origin: http://localhost", "Sec-Fetch-Site: same-site"]],
  ["with an Origin that only begins like the Host", ["Origin: http://localhost.evil.example"]],
  ["with an Origin that ends like the Host", ["Origin: http://evil.example/http://localhost"]],
])("a swap %s is refused all the same", async (_what, fields) => {
  const { path } = desk.newComponent();

  const admin = await desk.start();
  const reply = await post(admin, JSON.stringify({ component: path }), [JSON_TYPE, ...fields].join("\n"));

  expect(JSON.parse(reply.body)).toMatchObject({ status: 403, code: "ORIGIN_REFUSED" });
  expect(desk.control.generation, "it was done all the same").toBe(1);
});

test("a preflight from a web page is given no permission", async () => {
  const head =
    "OPTIONS /v1/filters/keys/swap HTTP/1.1\nHost: localhost\nOrigin: http://evil.example\nAccess-Control-Request-Method: POST";

  const reply = await exchange(await desk.start(), head);

  expect(reply.status).toBe(403);
  expect(reply.head.toLowerCase()).not.toContain("access-control");
});

describe("on an address that other machines reach", () => {
  const guardAt = (address: string, hosts: readonly string[] = []): Guard =>
    new Guard({ address: readAdminAddress(address), hosts, tokens: TOKENS, audit: null }, new Tokens(TOKENS));
  const admit = (guard: Guard, host: string): string => {
    const headersDistinct = { host: [host], authorization: [`Bearer ${WORDS.read}`] };
    const incoming = { method: "GET", url: "/v1/status", headers: {}, headersDistinct, socket: {} };
    try {
      return guard.admit(incoming as unknown as IncomingMessage)?.name ?? "nobody";
    } catch (error) {
      return (error as Problem).code;
    }
  };

  test.each<[address: string, host: string, outcome: string]>([
    ["192.0.2.7:9901", "192.0.2.7", "the-read"],
    ["192.0.2.7:9901", "192.0.2.7:443", "the-read"],
    ["192.0.2.7:9901", "192.0.2.8", "HOST_REFUSED"],
    ["192.0.2.7:9901", "localhost", "HOST_REFUSED"],
    ["admin.internal:9901", "ADMIN.internal:9901", "the-read"],
    ["admin.internal:9901", "evil.example", "HOST_REFUSED"],
    ["[2001:db8::1]:9901", "[2001:db8:0::1]:9901", "the-read"],
    ["[2001:db8::1]:9901", "[2001:db8::2]", "HOST_REFUSED"],
    // Whatever address the machine has; a name may have been rebound to it.
    ["0.0.0.0:9901", "192.0.2.9:9901", "the-read"],
    ["0.0.0.0:9901", "localhost", "the-read"],
    ["0.0.0.0:9901", "evil.example", "HOST_REFUSED"],
    ["[::]:9901", "[2001:db8::3]", "the-read"],
    ["[::]:9901", "evil.example", "HOST_REFUSED"],
  ])("at %s the Host %s comes to %s", (address, host, outcome) => {
    expect(admit(guardAt(address), host)).toBe(outcome);
  });

  test("names of admin.hosts will do as well, and no other", () => {
    const guard = guardAt("0.0.0.0:9901", ["proxy.example.com"]);

    expect(admit(guard, "Proxy.Example.com:443")).toBe("the-read");
    expect(admit(guard, "example.com")).toBe("HOST_REFUSED");
    expect(admit(guard, "proxy.example.com.evil.example")).toBe("HOST_REFUSED");
    expect(admit(guardAt("127.0.0.1:9901", ["tunnel.example"]), "tunnel.example")).toBe("the-read");
  });
});
