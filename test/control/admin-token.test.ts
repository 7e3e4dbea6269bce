import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ADMIN_ROLES } from "../../host/config/config.ts";
import type { Admin } from "../../host/control/admin.ts";
import { GUESSES_PER_SECOND_MAX, makeToken, Tokens } from "../../host/control/tokens.ts";
import { TRIAL_DEFAULTS } from "../../host/trial/trial.ts";
import { BODIES, describe, type Endpoint, endpointsOf } from "./api.ts";
import { ask, bearer, Desk, exchange, JSON_TYPE, type Reply, targetOf, TOKENS, WORDS } from "./desk.ts";

let desk: Desk;

beforeEach(() => {
  desk = new Desk();
});

afterEach(() => desk.close());

function guarded(): Promise<Admin> {
  return desk.start("127.0.0.1:0", { tokens: TOKENS });
}

function codeOf({ body }: Reply): string {
  return (JSON.parse(body) as { code: string }).code;
}

test("every endpoint lets in the roles that it says, and no other", async () => {
  const admin = await guarded();
  const { path } = desk.newComponent();
  const endpoints = endpointsOf(await describe(admin, bearer(WORDS.read)));
  expect(endpoints.length).toBe(36);

  for (const endpoint of endpoints) {
    const { line, role } = endpoint;
    const outcomes = [await outcomeOf(admin, endpoint, [])];
    for (const has of ADMIN_ROLES) {
      // Something to promote, and to go back from.
      await tryOut(path);
      outcomes.push(await outcomeOf(admin, endpoint, [bearer(WORDS[has])]));
    }
    const needed = role === null ? 0 : 1 + ADMIN_ROLES.indexOf(role);
    const refused = ["TOKEN_REFUSED", "ROLE_REFUSED", "ROLE_REFUSED", "ROLE_REFUSED"].slice(0, needed);
    expect(outcomes, line).toEqual([...refused, ...Array.from({ length: 4 - needed }, () => "done")]);
  }
});

async function outcomeOf(admin: Admin, endpoint: Endpoint, fields: readonly string[]): Promise<string> {
  const { method, path, line } = endpoint;
  const reply = await ask(admin, line, method === "POST" ? { body: BODIES[path], fields } : { fields });
  return reply.status === 200 ? "done" : codeOf(reply);
}

async function tryOut(component: string): Promise<void> {
  const trial = { ...TRIAL_DEFAULTS, kind: "shadow" } as const;
  await desk.control.swap("keys", { component, trial }, { by: "test" }).catch(() => undefined);
}

test("a change that was refused for its role has changed nothing, and its body was not read", async () => {
  const admin = await guarded();
  const before = desk.control.generation;

  const head = `POST /v1/config/apply HTTP/1.1\nHost: localhost\n${JSON_TYPE}\n${bearer(WORDS.swap)}\nContent-Length: 1000`;

  expect((await exchange(admin, head)).status).toBe(403);
  expect(desk.control.generation).toBe(before);
  expect(desk.control.asked).toEqual([]);
});

test.each([
  ["nothing", []],
  ["another scheme", ["Authorization: Basic c2xjOnNsYw=="]],
  ["the token without its scheme", [`Authorization: ${WORDS.admin}`]],
  ["no word", ["Authorization: Bearer"]],
  ["an empty word", ["Authorization: Bearer  "]],
  ["a word that is nearly one", [bearer(WORDS.admin.slice(0, -1))]],
  ["a word with more behind it", [bearer(`${WORDS.admin}x`)]],
  ["the digest in the place of the token", [bearer(TOKENS[2]?.sha256 ?? "")]],
  ["another case", [bearer(WORDS.admin.toUpperCase())]],
  ["two words", [`${bearer(WORDS.admin)} ${WORDS.admin}`]],
  ["a list", [`${bearer(WORDS.admin)}, Bearer x`]],
  ["two fields, of which the first is right", [bearer(WORDS.admin), bearer("x")]],
  ["two fields, of which the second is right", [bearer("x"), bearer(WORDS.admin)]],
  ["it in a field of another name", [`X-Authorization: Bearer ${WORDS.admin}`]],
  ["it in a cookie", [`Cookie: token=${WORDS.admin}`]],
  ["it for a proxy", [`Proxy-Authorization: Bearer ${WORDS.admin}`]],
])("who shows %s is refused with 401", async (_what, fields) => {
  const reply = await ask(await guarded(), "GET /v1/status", { fields });

  expect(reply.status).toBe(401);
  expect(codeOf(reply)).toBe("TOKEN_REFUSED");
  expect(reply.body).not.toContain("generation");
});

test("a token in the target lets nobody in", async () => {
  const admin = await guarded();
  for (const target of [`/v1/status?token=${WORDS.admin}`, `/v1/status?access_token=${WORDS.admin}`]) {
    expect((await ask(admin, `GET ${target}`)).status).toBe(401);
  }
  expect(JSON.stringify(desk.audit), "a token got into the audit log").not.toContain(WORDS.admin);
});

test("the scheme may have any case", async () => {
  const fields = [`authorization: bEARER ${WORDS.read}`];

  expect((await ask(await guarded(), "GET /v1/status", { fields })).status).toBe(200);
});

test("probes need no token, and tell the names of filters to those who have one", async () => {
  const admin = await guarded();

  expect((await ask(admin, "GET /livez")).body).toBe("live\n");
  expect((await ask(admin, "GET /readyz")).body).toBe("ready\n");
  expect((await ask(admin, "HEAD /readyz")).status).toBe(200);
  expect((await ask(admin, "GET /readyz", { fields: [bearer("stale")] })).status).toBe(200);
  expect((await ask(admin, "GET /readyz?verbose")).body).toBe("ready\n");
  expect((await ask(admin, "GET /readyz?verbose", { fields: [bearer(WORDS.read)] })).body).toContain("keys");
  expect((await ask(admin, "GET /readyz?verbose", { fields: [bearer("x")] })).status, "a way to guess").toBe(
    401,
  );
});

test("who has no token does not learn what there is", async () => {
  const admin = await guarded();
  for (const line of [
    "GET /v1/nothing",
    "PUT /v1/status",
    "POST /livez",
    "DELETE /readyz",
    "OPTIONS /v1/rollback",
  ]) {
    expect((await ask(admin, line)).status, line).toBe(401);
  }
});

test("a socket file asks for tokens where there are some", async () => {
  const admin = await desk.start(`unix:${join(desk.folder, "admin.sock")}`, { tokens: TOKENS });

  expect((await ask(admin, "GET /v1/status")).status).toBe(401);
  expect((await ask(admin, "GET /v1/status", { fields: [bearer(WORDS.read)] })).status).toBe(200);
});

test("changes are made in the name of their token", async () => {
  await ask(await guarded(), "POST /v1/config/apply", { body: {}, fields: [bearer(WORDS.admin)] });

  expect(desk.control.asked).toEqual([{ by: "the-admin" }]);
});

test("guesses from one address are bounded in a second, and then nothing from there is looked at", () => {
  const tokens = new Tokens(TOKENS);
  const right = `Bearer ${WORDS.read}`;
  for (let guess = 0; guess < GUESSES_PER_SECOND_MAX; guess += 1) {
    expect(tokens.judge([`Bearer ${guess}`], "192.0.2.1", 5_000)).toBe("unknown");
  }

  expect(tokens.judge(["Bearer more"], "192.0.2.1", 5_999)).toBe("too-many");
  expect(tokens.judge([right], "192.0.2.1", 5_999), "the right guess would be seen in a flood").toBe(
    "too-many",
  );
  expect(tokens.judge([right], "192.0.2.2", 5_999), "one address locks out another").toMatchObject({
    name: "the-read",
  });
  expect(tokens.judge([], "192.0.2.1", 5_999), "who shows nothing guesses nothing").toBe("missing");
  expect(tokens.judge([right], "192.0.2.1", 6_000)).toEqual({ name: "the-read", role: "read" });
});

test("guesses from many addresses take little memory, and are bounded, too", () => {
  const tokens = new Tokens(TOKENS);
  for (let guess = 0; guess < 1_000; guess += 1) tokens.judge(["Bearer x"], `address ${guess}`, 5_000);
  for (let guess = 0; guess < GUESSES_PER_SECOND_MAX; guess += 1) {
    expect(tokens.judge(["Bearer x"], `another ${guess}`, 5_000)).toBe("unknown");
  }

  expect(tokens.judge(["Bearer x"], "one more", 5_000), "an address of its own for each guess").toBe(
    "too-many",
  );
  expect(tokens.judge([`Bearer ${WORDS.read}`], "address 1", 5_000)).toMatchObject({ name: "the-read" });
});

test("a flood of guesses through one connection is answered with 429, and told in few lines", async () => {
  const admin = await guarded();
  const socket = connect(targetOf(admin));
  await once(socket, "connect");
  const answered = text(socket);
  const guess = `GET /v1/status HTTP/1.1\r\nHost: localhost\r\n${bearer("x")}\r\n`;
  socket.write(`${`${guess}\r\n`.repeat(40)}${guess}Connection: close\r\n\r\n`);

  const answer = await answered;
  const count = (status: number): number => answer.split(`HTTP/1.1 ${status} `).length - 1;

  expect(count(401) + count(429)).toBe(41);
  // A second may have begun anew in the middle of it.
  expect(count(401)).toBeGreaterThanOrEqual(GUESSES_PER_SECOND_MAX);
  expect(count(401)).toBeLessThanOrEqual(2 * GUESSES_PER_SECOND_MAX);
  expect(answer).toMatch(/retry-after: 1\r\n/i);
  expect(desk.audit.length).toBeLessThanOrEqual(40);
  await admin.close();
  const suppressed = desk.audit.map((line) => (line as { suppressed?: number }).suppressed ?? 1);
  expect(
    suppressed.reduce((sum, lines) => sum + lines, 0),
    "some are neither told nor counted",
  ).toBe(41);
});

test("tokens are long, begin with their prefix, and are known by their digest", () => {
  const { token, sha256 } = makeToken();

  expect(token).toMatch(/^slc_[\w-]{43}$/);
  expect(makeToken().token).not.toBe(token);
  const tokens = new Tokens([{ name: "new", role: "swap", sha256 }]);
  expect(tokens.judge([`Bearer ${token}`], "")).toEqual({ name: "new", role: "swap" });
});
