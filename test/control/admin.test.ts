import { afterEach, beforeEach, expect, test } from "vitest";
import { Refusal } from "../../host/control/control.ts";
import { Desk, exchange, OLD_DIGEST, post } from "./desk.ts";

/** As they are before any admin API has been started. */
const NODE_REQUEST = Request;
const NODE_RESPONSE = Response;

let desk: Desk;

beforeEach(() => {
  desk = new Desk();
});

afterEach(() => desk.close());

test("the status is the control's, as JSON, and is never cached", async () => {
  const reply = await exchange(await desk.start(), "GET /v1/status HTTP/1.1\nHost: localhost");

  expect(reply.status).toBe(200);
  expect(reply.head).toMatch(/content-type: application\/json/i);
  expect(reply.head).toMatch(/cache-control: no-store/i);
  expect(JSON.parse(reply.body)).toMatchObject({
    generation: 1,
    filters: [{ name: "keys", digest: OLD_DIGEST }],
  });
});

test("metrics keep the content type and the bytes of the exposition", async () => {
  const reply = await exchange(await desk.start(), "GET /metrics HTTP/1.1\nHost: localhost");

  expect(reply.head).toMatch(/content-type: text\/plain; version=0\.0\.4; charset=utf-8\r\n/i);
  expect(reply.body).toBe("sluice_generation 1\n");
});

test("who prefers OpenMetrics gets it, and nobody else does", async () => {
  const admin = await desk.start();
  const given = async (accept: string): Promise<string | undefined> => {
    const { head } = await exchange(admin, `GET /metrics HTTP/1.1\nHost: localhost\nAccept: ${accept}`);
    expect(head).toMatch(/^vary: accept\r$/im);
    return /^content-type: ([^;\r]*)/im.exec(head)?.[1];
  };
  const prometheus =
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
  expect(await given(prometheus)).toBe("application/openmetrics-text");
  expect(await given("text/plain;q=0.9, application/openmetrics-text;q=0.1")).toBe("text/plain");
  expect(await given("application/openmetrics-text;q=0")).toBe("text/plain");
  expect(await given("*/*")).toBe("text/plain");
});

test("readiness tells more when it is asked to: a line for each worker and each filter", async () => {
  desk.control.quarantined.set("shut", 1);
  desk.control.add("shut", "/filters/shut.wasm", OLD_DIGEST);
  const admin = await desk.start();
  const verbose = async (): Promise<string> =>
    (await exchange(admin, "GET /readyz?verbose HTTP/1.1\nHost: localhost")).body;
  expect(await verbose()).toContain(
    "[+] worker 1 serving\n[+] worker 2 serving\n[+] filter keys\n[-] filter shut quarantined on 1 of 2 workers\nready\n",
  );
  desk.control.ready = false;
  expect(await verbose()).toMatch(
    /^\[\+\] worker 1 serving\n\[-\] worker 2 starting\n(.*\n)+worker 2 is starting\n$/,
  );
});

test("a host that is not ready is live, and says what it waits for", async () => {
  const admin = await desk.start();
  expect((await exchange(admin, "GET /readyz HTTP/1.1\nHost: localhost")).status).toBe(200);

  desk.control.ready = false;

  const ready = await exchange(admin, "GET /readyz HTTP/1.1\nHost: localhost");
  expect(ready.status).toBe(503);
  expect(ready.body).toBe("worker 2 is starting\n");
  expect((await exchange(admin, "GET /livez HTTP/1.1\nHost: localhost")).status).toBe(200);
  expect((await exchange(admin, "HEAD /readyz HTTP/1.1\nHost: localhost")).status).toBe(503);
});

test("a swap answers with what changed once the control has changed it", async () => {
  const { path, digest } = desk.newComponent();

  const reply = await post(
    await desk.start(),
    JSON.stringify({ component: path, sha256: digest, config: { a: 1 } }),
  );

  expect(reply.status).toBe(200);
  expect(JSON.parse(reply.body)).toEqual({
    generation: 2,
    filter: "keys",
    from: OLD_DIGEST,
    to: digest,
    configChanged: true,
    durationMs: 41.4,
    changes: [`filter keys: ${OLD_DIGEST} → ${digest}`],
  });
  expect(desk.control.configs.get("keys")).toEqual({ a: 1 });
});

test("a config of null is given on, and no config is not", async () => {
  const admin = await desk.start();
  const { path } = desk.newComponent();

  await post(admin, JSON.stringify({ component: path }));
  expect(desk.control.configs.has("keys"), "a config came up that nobody sent").toBe(false);
  await post(admin, JSON.stringify({ component: path, config: null }));

  expect(desk.control.configs.get("keys")).toBe(null);
});

test("a filter's name may hold any character when it is percent-encoded", async () => {
  desk.control.add("ke/ys ü", "/old.wasm", OLD_DIGEST);
  const { path } = desk.newComponent();

  const reply = await post(
    await desk.start(),
    JSON.stringify({ component: path }),
    undefined,
    encodeURIComponent("ke/ys ü"),
  );

  expect(JSON.parse(reply.body)).toMatchObject({ filter: "ke/ys ü" });
});

test.each([
  ["FILTER_UNKNOWN", 404, "Not Found"],
  ["ARTIFACT_REFUSED", 422, "Unprocessable Entity"],
  ["CONFIGURE_REFUSED", 422, "Unprocessable Entity"],
  ["HOST_UNAVAILABLE", 503, "Service Unavailable"],
] as const)("a refusal with %s is a problem with status %i", async (code, status, title) => {
  desk.control.failure = new Refusal(code, "The filter keys says: no such header.");

  const reply = await post(await desk.start(), JSON.stringify({ component: "/new.wasm" }));

  expect(reply.status).toBe(status);
  expect(reply.head).toMatch(/content-type: application\/problem\+json/i);
  expect(JSON.parse(reply.body)).toEqual({
    type: "about:blank",
    title,
    status,
    code,
    detail: "The filter keys says: no such header.",
  });
  expect(desk.lines, "a refusal is an answer, not an error of the host").toEqual([]);
});

test.each(["GET /v1/status", "GET /metrics", "GET /openapi.json"])(
  "an unexpected error behind %s is logged, and nothing of it is shown",
  async (line) => {
    desk.control.failure = new Error("secret path /etc/keys");

    const reply = await exchange(await desk.start(), `${line} HTTP/1.1\nHost: localhost`);

    expect(reply.status).toBe(500);
    expect(JSON.parse(reply.body)).toMatchObject({ status: 500, code: "HOST_BROKE" });
    expect(reply.body).not.toContain("secret");
    expect(desk.lines.join("")).toContain("secret path /etc/keys");
  },
);

test("an unknown path is a problem, and a wrong method names the right ones", async () => {
  const admin = await desk.start();

  const path = await exchange(admin, "GET /v2/status HTTP/1.1\nHost: localhost");
  expect(path.status).toBe(404);
  expect(JSON.parse(path.body)).toMatchObject({ code: "PATH_UNKNOWN" });

  const swap = await exchange(admin, "PUT /v1/filters/keys/swap HTTP/1.1\nHost: localhost");
  expect(swap.status).toBe(405);
  expect(swap.head).toMatch(/allow: POST\r\n/i);
  const status = await exchange(admin, "DELETE /v1/status HTTP/1.1\nHost: localhost");
  expect(status.head).toMatch(/allow: GET, HEAD\r\n/i);
});

test("the Request and Response of the process stay Node's own", async () => {
  await exchange(await desk.start(), "GET /v1/status HTTP/1.1\nHost: localhost");

  expect(Request).toBe(NODE_REQUEST);
  expect(Response).toBe(NODE_RESPONSE);
});
