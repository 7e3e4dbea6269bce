import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ask, Desk, exchange, JSON_TYPE, TOKENS } from "./desk.ts";

let desk: Desk;

beforeEach(() => {
  desk = new Desk();
});

afterEach(() => desk.close());

const TRICKS = [
  "//v1/status",
  "/v1//status",
  "/v1/./status",
  "/v1/../v1/status",
  "/livez/../v1/status",
  "/livez/..",
  "/livez/%2e%2e/v1/status",
  "/livez/.%2E/v1/status",
  "/livez/..;/v1/status",
  "/livez;/../v1/status",
  "/livez%2f..%2fv1%2fstatus",
  "/livez\\..\\v1\\status",
  "/livez%5c..%5cv1%5cstatus",
  "/v1/status/",
  "/V1/STATUS",
  "/v1/status%00",
  "/v1/status%",
  "/v1/%zz",
  "/v1/%ff",
  "/v1/stat\u00fcs",
  "/livez#/v1/status",
  "/v1/status?a=/livez",
  "/livez/",
  "/readyz/",
  "/%6civez",
  "livez",
  "*",
  "http://localhost/livez",
  "http://localhost/v1/status",
  "http://evil.example/v1/status",
  "https://localhost:1/v1/status",
  "//localhost/v1/status",
  "/v1/filters/..%2f..%2flivez",
];

test.each(TRICKS)("the target %j lets nobody in without a token, and breaks nothing", async (target) => {
  const admin = await desk.start("127.0.0.1:0", { tokens: TOKENS });
  for (const method of ["GET", "POST", "HEAD", "OPTIONS"]) {
    const { status, body } = await exchange(admin, `${method} ${target} HTTP/1.1\nHost: localhost`);
    expect([400, 401, 403, 404], `${method} gave ${status} ${body}`).toContain(status);
    expect(body).not.toContain("keys");
  }
  expect(desk.lines).toEqual([]);
});

test("no target of any kind but probes and the page lets somebody in without a token", async () => {
  const admin = await desk.start("127.0.0.1:0", { tokens: TOKENS });
  const piece = fc.constantFrom(
    ..."/ v1 status livez readyz metrics .. . %2e %2F %5C ; \\ // ? # @ :".split(" "),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
      const target = `/${pieces.join("")}`;
      const { status } = await exchange(admin, `GET ${target} HTTP/1.1\nHost: localhost`);
      const isOpen = /^\/(?:livez|readyz)?(?:\?|$)/.test(target);
      expect(isOpen ? [200] : [400, 401], target).toContain(status);
    }),
    { numRuns: 300 },
  );
});

test.each([
  ["//v1/status", 400],
  ["/v1/../v1/status", 400],
  ["/v1/%2e%2e/status", 400],
  ["http://localhost/v1/status", 400],
  ["/v1/status/", 404],
  ["/V1/status", 404],
  ["/v1%2fstatus", 404],
])("the target %s is no other way to write one that is known", async (target, status) => {
  expect((await exchange(await desk.start(), `GET ${target} HTTP/1.1\nHost: localhost`)).status).toBe(status);
});

test.each(["TRACE", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])("%s is refused", async (method) => {
  const admin = await desk.start();
  for (const path of ["/v1/status", "/v1/config/apply", "/livez"]) {
    const reply = await exchange(
      admin,
      `${method} ${path} HTTP/1.1\nHost: localhost\nX-Secret: echo\n${JSON_TYPE}\nContent-Length: 2`,
      "{}",
    );
    expect([400, 405], `${path} gave ${reply.status}`).toContain(reply.status);
    expect(reply.head + reply.body, "what was sent comes back").not.toContain("echo");
  }
  expect(desk.control.generation).toBe(1);
});

test("nobody is connected to anywhere, nor to another protocol", async () => {
  const admin = await desk.start();

  const tunnel = await exchange(admin, "CONNECT localhost:80 HTTP/1.1\nHost: localhost").catch(
    () => undefined,
  );
  expect(tunnel?.status).not.toBe(200);
  const upgrade = await exchange(
    admin,
    "GET /livez HTTP/1.1\nHost: localhost\nUpgrade: websocket\nSec-WebSocket-Version: 13",
  );
  expect(upgrade.status).toBe(200);
});

test("nothing is changed by a GET, whatever says so", async () => {
  const admin = await desk.start();
  for (const field of ["X-HTTP-Method-Override: POST", "X-HTTP-Method: POST", "X-Method-Override: POST"]) {
    const reply = await ask(admin, "GET /v1/config/apply?_method=POST", { body: {}, fields: [field] });
    expect(reply.status).toBe(405);
  }
  expect(desk.control.generation).toBe(1);
});

test("two Hosts, two lengths and a length beside chunks are refused", async () => {
  const admin = await desk.start();
  const head = `POST /v1/config/apply HTTP/1.1\nHost: localhost\n${JSON_TYPE}`;

  expect((await exchange(admin, `${head}\nHost: evil.example\nContent-Length: 2`, "{}")).status).toBe(403);
  expect((await exchange(admin, `${head}\nContent-Length: 2\nContent-Length: 3`, "{}")).status).toBe(400);
  expect(
    (await exchange(admin, `${head}\nContent-Length: 2\nTransfer-Encoding: chunked`, "2\r\n{}\r\n0\r\n\r\n"))
      .status,
  ).toBe(400);
  expect(desk.control.generation).toBe(1);
});

test("a head without end is refused, be it of many fields or of a long one", async () => {
  const admin = await desk.start();
  const many = "a:b\n".repeat(10_000).trimEnd();

  expect((await exchange(admin, `GET /livez HTTP/1.1\nHost: localhost\n${many}`)).status).toBe(431);
  expect(
    (await exchange(admin, `GET /livez HTTP/1.1\nHost: localhost\nX: ${"x".repeat(40_000)}`)).status,
  ).toBe(431);
  expect((await exchange(admin, `GET /${"x".repeat(40_000)} HTTP/1.1\nHost: localhost`)).status).toBe(431);
});

test("a field that stands behind thousands of others is seen", async () => {
  const fields = "a:\n".repeat(3_000);
  const admin = await desk.start();

  const reply = await exchange(
    admin,
    `POST /v1/config/apply HTTP/1.1\nHost: localhost\n${JSON_TYPE}\nContent-Length: 2\n${fields}Origin: http://evil.example`,
    "{}",
  );

  expect(reply.status).toBe(403);
});
