import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type Logger, pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type AuditLine, AuditLog } from "../../host/control/audit.ts";
import { Refusal } from "../../host/control/control.ts";
import { waitFor } from "../support/waiting.ts";
import { ask, bearer, Desk, JSON_TYPE, OLD_DIGEST, targetOf, TOKENS, WORDS } from "./desk.ts";

let desk: Desk;
let path: string;

beforeEach(() => {
  desk = new Desk();
  path = join(desk.folder, "audit.jsonl");
});

afterEach(() => desk.close());

function linesOf(file: string): AuditLine[] {
  return readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as AuditLine);
}

test("a change is a line in the file by the time that it is answered: who, what, from where to where", async () => {
  const admin = await desk.start("127.0.0.1:0", { tokens: TOKENS, audit: path });
  const { path: component, digest } = desk.newComponent();
  const fields = [bearer(WORDS.swap)];

  await ask(admin, "POST /v1/filters/keys/swap?why=because", {
    body: { component, config: { key: "hidden" } },
    fields,
  });

  expect(linesOf(path)).toEqual([
    {
      time: expect.any(Number),
      by: "the-swap",
      role: "swap",
      method: "POST",
      path: "/v1/filters/keys/swap",
      status: 200,
      code: null,
      before: 1,
      after: 2,
      durationMs: expect.any(Number),
      filter: "keys",
      changes: [`filter keys: ${OLD_DIGEST} → ${digest}`],
      from: OLD_DIGEST,
      to: digest,
    },
  ]);
  expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
  const text = readFileSync(path, "utf8");
  for (const secret of ["hidden", WORDS.swap, "127.0.0.1", "because"]) expect(text).not.toContain(secret);
});

test("without a file the lines are in the process's log, whatever its level", async () => {
  const lines: string[] = [];
  const log = pino({ level: "error" }, { write: (line: string) => void lines.push(line) });
  const audit = await AuditLog.open(null, log);

  await audit.write(line(1));

  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ audit: true, by: "somebody", before: 1, msg: "admin" });
  log.level = "silent";
  await audit.write(line(2));
  expect(lines.length, "a log that is to be silent is not").toBe(1);
});

test("a change that was refused is told with its code, whatever was wrong with it", async () => {
  const admin = await desk.start("127.0.0.1:0", { tokens: TOKENS });
  const fields = [bearer(WORDS.admin)];
  const swap = "POST /v1/filters/keys/swap";

  await ask(admin, swap, { body: { component: 1 }, fields });
  await ask(admin, swap, { body: { config: 1 }, fields: [...fields, 'If-Match: "7"'] });
  await ask(admin, "POST /v1/filters/nokeys/swap", { body: { config: 1 }, fields });
  await ask(admin, swap, { fields });
  await ask(admin, swap, { body: { config: 1 } });
  await ask(admin, swap, { body: { config: 1 }, fields: [bearer(WORDS.read)] });
  await ask(admin, swap, { body: { config: 1 }, fields: [...fields, "Origin: null"] });
  desk.control.failure = new Refusal("HOST_UNAVAILABLE", "The host stops.");
  await ask(admin, "POST /v1/artifacts/collect", { body: {}, fields });

  expect(desk.audit.map(({ by, code }) => `${by} ${code}`)).toEqual([
    "the-admin BODY_REFUSED",
    "the-admin GENERATION_CHANGED",
    "the-admin FILTER_UNKNOWN",
    "the-admin CONTENT_TYPE_REFUSED",
    "null TOKEN_REFUSED",
    "the-read ROLE_REFUSED",
    "null ORIGIN_REFUSED",
    "the-admin HOST_UNAVAILABLE",
  ]);
  expect(desk.audit[0]).toMatchObject({ before: 1, after: 1, filter: "keys" });
});

test("who only looks is not told of, and who is refused a look is", async () => {
  const admin = await desk.start("127.0.0.1:0", { tokens: TOKENS });
  await ask(admin, "GET /v1/status", { fields: [bearer(WORDS.read)] });
  await ask(admin, "POST /v1/config/diff", { body: {}, fields: [bearer(WORDS.read)] });
  await ask(admin, "GET /v1/status", { fields: ["Host: evil.example"] });
  expect(desk.audit).toEqual([]);

  await ask(admin, "GET /v1/status");

  expect(desk.audit).toMatchObject([
    { by: null, role: null, method: "GET", path: "/v1/status", status: 401 },
  ]);
});

test("a change whose body broke off is told, too", async () => {
  const admin = await desk.start();
  const socket = connect(targetOf(admin));
  socket.write(
    `POST /v1/config/apply HTTP/1.1\r\nHost: localhost\r\n${JSON_TYPE}\r\nContent-Length: 9\r\n\r\n{`,
  );
  // By the time that another one has been answered, the host has the head of this one.
  await ask(admin, "GET /livez");
  socket.destroy();

  await waitFor("a line", () => desk.audit.length > 0);
  expect(desk.audit).toMatchObject([{ path: "/v1/config/apply", code: "BODY_REFUSED", by: "local" }]);
  expect(desk.lines, "it was taken for a fault of the host").toEqual([]);
});

test("a path is told without a token that somebody has put there, and not at full length", async () => {
  const admin = await desk.start("127.0.0.1:0", { tokens: TOKENS });

  await ask(admin, `GET /v1/${WORDS.admin}/${"x".repeat(4_000)}`);

  expect(desk.audit[0]?.path).toMatch(/^\/v1\/slc_…\/x+$/);
  expect(desk.audit[0]?.path.length).toBeLessThan(600);
});

test("a file that was renamed away is made anew, and no line is lost", async () => {
  const audit = await AuditLog.open(path, silent());
  await audit.write(line(1));
  renameSync(path, `${path}.1`);

  await audit.write(line(2));
  rmSync(path);
  await audit.write(line(3));

  expect(linesOf(`${path}.1`).map(({ before }) => before)).toEqual([1]);
  expect(linesOf(path).map(({ before }) => before)).toEqual([3]);
  expect(audit.lost).toBe(0);
  await audit.close();
});

test("a file is appended to, with the mode that it has", async () => {
  for (const before of [1, 2]) {
    const audit = await AuditLog.open(path, silent());
    await audit.write(line(before));
    await audit.close();
  }

  expect(linesOf(path).map(({ before }) => before)).toEqual([1, 2]);
});

test("a line that cannot be written is counted, logged, and told in the file as soon as that can be written again", async () => {
  const folder = join(desk.folder, "log");
  mkdirSync(folder);
  const errors: string[] = [];
  const audit = await AuditLog.open(
    join(folder, "audit.jsonl"),
    pino({}, { write: (text: string) => void errors.push(text) }),
  );
  await audit.write(line(1));
  renameSync(folder, `${folder}.away`);

  await Promise.all([audit.write(line(2)), audit.write(line(3))]);
  expect(audit.lost).toBe(2);
  expect(JSON.parse(errors[0] ?? "")).toMatchObject({
    level: 50,
    file: expect.stringContaining("audit.jsonl"),
  });
  expect(errors.length, "a full disk must not fill the log").toBe(1);
  mkdirSync(folder);
  await audit.write(line(4));

  expect(linesOf(join(folder, "audit.jsonl"))).toMatchObject([{ lost: 2 }, { before: 4 }]);
  await audit.close();
});

test("a host that could not say who changes it does not start", async () => {
  const audit = join(desk.folder, "none", "audit.jsonl");

  await expect(desk.start("127.0.0.1:0", { audit })).rejects.toThrow(
    `The audit log ${audit} cannot be written: ENOENT`,
  );
  expect(existsSync(audit)).toBe(false);
});

test("strangers write so many lines in a second, and the rest is counted", async () => {
  const audit = await AuditLog.open(path, silent());
  for (let attempt = 0; attempt < 500; attempt += 1)
    await audit.writeStranger({ ...line(1), code: "TOKEN_REFUSED" });
  await audit.write(line(2));
  await audit.close();

  const told = linesOf(path) as (AuditLine & { suppressed?: number })[];
  const counted = told.map(({ code, suppressed }) => (code === null ? 0 : (suppressed ?? 1)));
  expect(counted.reduce((sum, lines) => sum + lines, 0)).toBe(500);
  // The machine may have taken some seconds for them.
  expect(told.length).toBeLessThan(100);
  expect(
    told.some(({ before }) => before === 2),
    "a flood drove out somebody who is known",
  ).toBe(true);
});

test("a line that comes after the end is written, too: a change may outlive its client", async () => {
  const audit = await AuditLog.open(path, silent());
  await audit.close();

  await audit.write(line(1));

  expect(linesOf(path)).toMatchObject([{ before: 1 }]);
});

test("many lines at once are all there, one after the other", async () => {
  const audit = await AuditLog.open(path, silent());

  await Promise.all(Array.from({ length: 2_000 }, (_, at) => audit.write(line(at))));

  expect(linesOf(path).map(({ before }) => before)).toEqual(Array.from({ length: 2_000 }, (_, at) => at));
  await audit.close();
});

function line(before: number): AuditLine {
  return {
    time: Date.now(),
    by: "somebody",
    role: "admin",
    method: "POST",
    path: "/v1/rollback",
    status: 200,
    code: null,
    before,
    after: before + 1,
    durationMs: 1,
  };
}

function silent(): Logger {
  return pino({ level: "silent" });
}
