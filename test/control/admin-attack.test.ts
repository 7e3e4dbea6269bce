import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Admin } from "../../host/control/admin.ts";
import type { AuditLine } from "../../host/control/audit.ts";
import { waitFor, within } from "../support/waiting.ts";
import { BODIES, describe, endpointsOf } from "./api.ts";
import { ask, bearer, Desk, exchange, JSON_TYPE, post, targetOf, TOKENS, WORDS } from "./desk.ts";

let desk: Desk;

beforeEach(() => {
  desk = new Desk();
});

afterEach(() => desk.close());

test("1 000 changes at once on the same condition: one of them is made in each generation, and all are told", async () => {
  const audit = join(desk.folder, "audit.jsonl");
  const admin = await desk.start("127.0.0.1:0", { tokens: TOKENS, audit });
  const rounds = 5;

  for (let generation = 1; generation <= rounds; generation += 1) {
    const fields = [bearer(WORDS.admin), `If-Match: "${generation}"`];
    const all = Array.from({ length: 1_000 / rounds }, () =>
      ask(admin, "POST /v1/config/apply", { body: {}, fields }),
    );
    const replies = await Promise.all(all);
    const made = replies.filter(({ status }) => status === 200);
    expect(made.length, "two operators have overwritten each other").toBe(1);
    expect(replies.filter(({ status }) => status === 412).length).toBe(1_000 / rounds - 1);
    expect(desk.control.generation).toBe(generation + 1);
  }

  const lines = readFileSync(audit, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as AuditLine);
  expect(lines.length).toBe(1_000);
  const made = lines.filter(({ code }) => code === null);
  expect(made.map(({ after }) => after)).toEqual([2, 3, 4, 5, 6]);
  expect(lines.filter(({ code }) => code === "GENERATION_CHANGED").length).toBe(995);
  expect(desk.lines).toEqual([]);
});

test("1 000 connections at once, each with a stale condition, change nothing and end nothing", async () => {
  const admin = await desk.start();
  await ask(admin, "POST /v1/config/apply", { body: {} });
  const head = `POST /v1/config/apply HTTP/1.1\r\nHost: localhost\r\n${JSON_TYPE}\r\nIf-Match: "1"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n`;
  const sockets = await Promise.all(
    Array.from({ length: 1_000 }, async () => {
      const socket = connect(targetOf(admin));
      socket.write(head);
      await once(socket, "connect");
      return socket;
    }),
  );

  const answers = Promise.all(
    sockets.map((socket) => {
      socket.write("{}");
      return text(socket);
    }),
  );

  for (const answer of await within("all answers", answers, 30_000))
    expect(answer).toMatch(/^HTTP\/1.1 412 /);
  expect(desk.control.generation).toBe(2);
  expect(desk.audit.length).toBe(1_001);
});

test("no JSON makes the host fail: a change is made, or refused with its reason", async () => {
  const admin = await desk.start();
  const { path } = desk.newComponent();
  const posts = endpointsOf(await describe(admin)).filter(({ method }) => method === "POST");
  const known = fc.constantFrom(
    ..."text component config sha256 trial kind percent key name generation server weight level method url".split(
      " ",
    ),
    ..."__proto__ constructor toString".split(" "),
  );
  const likely = fc.constantFrom<unknown>(
    ..."canary shadow client echo http://127.0.0.1:9000 GET /a info".split(" "),
    path,
    1,
    5,
    {},
  );
  const { members } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, fc.jsonValue(), likely, tie("members")),
    members: fc.dictionary(known, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  }));

  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...posts),
      fc.oneof(fc.jsonValue(), members, fc.string()),
      async ({ line }, body) => {
        const reply = await ask(admin, line, { body });
        expect(reply.status, `${line} ${JSON.stringify(body)}`).toBeLessThan(500);
        // Its lines come in chunks, as they are made.
        if (!line.endsWith("/record") || reply.status !== 200) JSON.parse(reply.body);
      },
    ),
    { numRuns: 600 },
  );
  expect(desk.lines).toEqual([]);
});

test.each([
  ["bytes that are no UTF-8", Buffer.from('{"component":"/\xff"}', "latin1"), /UTF-8/],
  ["deep brackets", Buffer.from("[".repeat(500_000)), /levels of nesting/],
  ["a deep config", Buffer.from(`{"config":${'{"a":'.repeat(80)}1${"}".repeat(80)}}`), /levels of nesting/],
  ["a number that is none", Buffer.from('{"config":NaN}'), /no JSON/],
  ["two values", Buffer.from('{"config":1}{}'), /no JSON/],
  ["a comment", Buffer.from('{"config":1/**/}'), /no JSON/],
  ["NUL", Buffer.from("\0"), /no JSON/],
])("a body of %s is refused with 400", async (_what, bytes, reason) => {
  const admin = await desk.start();
  const socket = connect(targetOf(admin));
  socket.write(
    `POST /v1/filters/keys/swap HTTP/1.1\r\nHost: localhost\r\n${JSON_TYPE}\r\nContent-Length: ${bytes.length}\r\nConnection: close\r\n\r\n`,
  );
  socket.write(bytes);

  const answer = await text(socket);

  expect(answer).toMatch(/^HTTP\/1.1 400 /);
  expect(answer).toContain("BODY_REFUSED");
  expect(answer).toMatch(reason);
});

test("brackets in a string are not nested", async () => {
  const config = `\\"${"[{".repeat(500)}`;

  expect((await post(await desk.start(), JSON.stringify({ config }))).status).toBe(200);
  expect(desk.control.configs.get("keys")).toBe(config);
});

test("requests that are sent ahead are answered in their order", async () => {
  const admin = await desk.start();
  const apply = `POST /v1/config/apply HTTP/1.1\r\nHost: localhost\r\n${JSON_TYPE}\r\nContent-Length: 2\r\n`;
  const socket = connect(targetOf(admin));
  socket.write(`${`${apply}\r\n{}`.repeat(10)}${apply}Connection: close\r\n\r\n{}`);

  const answers = [...(await text(socket)).matchAll(/"generation":(\d+)/g)].map(([, number]) =>
    Number(number),
  );

  expect(answers).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});

test("who sends ever more ahead of the answers is cut off, and others are served", async () => {
  const admin = await desk.start();
  const gate = Promise.withResolvers<void>();
  desk.control.gate = () => gate.promise;
  const socket = connect(targetOf(admin));
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  socket.on("error", () => undefined).on("close", close);
  const one = `POST /v1/config/apply HTTP/1.1\r\nHost: localhost\r\n${JSON_TYPE}\r\nContent-Length: 2\r\n\r\n{}`;
  socket.write(one.repeat(1_000));

  await within("the end of the connection", closed);

  expect(desk.control.asked.length, "all of them are being answered").toBeLessThanOrEqual(64);
  expect((await ask(admin, "GET /livez")).status).toBe(200);
  gate.resolve();
});

test("who is slow with a body is cut off, and changes nothing", { timeout: 30_000 }, async () => {
  const admin = await desk.start();
  const socket = connect(targetOf(admin));
  socket.on("error", () => undefined);
  socket.write(
    `POST /v1/config/apply HTTP/1.1\r\nHost: localhost\r\n${JSON_TYPE}\r\nContent-Length: 9\r\n\r\n{`,
  );
  const began = performance.now();

  await within(
    "the end of the connection",
    text(socket).catch(() => ""),
    20_000,
  );

  expect(performance.now() - began, "a request takes 10 s at most").toBeGreaterThan(8_000);
  await waitFor("a line of audit", () => desk.audit.length > 0);
  expect(desk.audit).toMatchObject([{ code: "BODY_REFUSED" }]);
  expect(desk.control.generation).toBe(1);
});

test("long bodies from everywhere at once are refused before they fill the memory", async () => {
  const admin = await desk.start();
  const gate = Promise.withResolvers<void>();
  desk.control.gate = () => gate.promise;
  const body = { config: "x".repeat(1_000_000) };
  const all = Array.from({ length: 80 }, () => ask(admin, "POST /v1/filters/keys/swap", { body }));

  const busy = await within("an answer", Promise.race(all), 30_000);
  expect(busy.status).toBe(503);
  expect(JSON.parse(busy.body)).toMatchObject({ code: "HOST_BUSY" });
  gate.resolve();

  const statuses = (await Promise.all(all)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(50);
  expect((await ask(admin, "POST /v1/filters/keys/swap", { body })).status, "no room came back").toBe(200);
});

test("a form, and what a page can send without asking, changes nothing on any endpoint", async () => {
  const admin = await desk.start();
  for (const { method, path, line } of endpointsOf(await describe(admin))) {
    if (method !== "POST") continue;
    for (const type of [
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "text/plain",
    ]) {
      const body = JSON.stringify(BODIES[path]);
      const head = `${line} HTTP/1.1\nHost: localhost\nContent-Type: ${type}\nContent-Length: ${body.length}`;
      expect((await exchange(admin, head, body)).status, `${line} took ${type}`).toBe(415);
    }
    const reply = await ask(admin, line, { body: BODIES[path], fields: ["Sec-Fetch-Site: cross-site"] });
    expect(reply.status, `${line} from another site`).toBe(403);
  }
  expect(desk.control.generation).toBe(1);
  expect(desk.control.asked).toEqual([]);
});

test.each<[type: string]>([
  ["application/json;"],
  ['application/json; charset="utf-8"; a'],
  ["application/json, text/plain"],
  ["application/json;charset=utf-16"],
])("the content type %s never makes the host fail", async (type) => {
  const admin: Admin = await desk.start();

  const reply = await post(admin, JSON.stringify({ config: 1 }), `Content-Type: ${type}`);

  expect([200, 415]).toContain(reply.status);
});
