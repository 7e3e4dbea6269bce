import { afterEach, beforeEach, expect, test } from "vitest";
import { readIfMatch } from "../../host/control/admin-precondition.ts";
import { describe, endpointsOf } from "./api.ts";
import { ask, Desk } from "./desk.ts";

let desk: Desk;

beforeEach(() => {
  desk = new Desk();
});

afterEach(() => desk.close());

test.each<[field: string | undefined, wanted: number | undefined]>([
  [undefined, undefined],
  ["*", undefined],
  [" * ", undefined],
  ['"7"', 7],
  ['"6"', 6],
  [' "6" , "7" ', 7],
  ['"5", "6"', 5],
  [',, "7",', 7],
  ['W/"7", "6"', 6],
  ['"abc", "7"', 7],
])("If-Match: %s, while 7 is live, is a wish for %s", (field, wanted) => {
  expect(readIfMatch(field, 7)).toBe(wanted);
});

test.each(['W/"7"', '"07"', '"7.0"', '"-7"', '""', '"abc"', '"1e0"', `"${"9".repeat(40)}"`])(
  "If-Match: %s is no generation, and matches none",
  (field) => {
    expect(() => readIfMatch(field, 7)).toThrow(
      expect.objectContaining({ code: "GENERATION_CHANGED", extras: { members: { generation: 7 } } }),
    );
  },
);

test.each([
  "7",
  "",
  '" 7"',
  '"7',
  '7"',
  '"7""6"',
  '"7" "6"',
  'w/"7"',
  '*, "7"',
  '"7", *',
  "'7'",
  ",".repeat(9_000),
  '"7"é',
])("If-Match: %s is malformed", (field) => {
  expect(() => readIfMatch(field, 7)).toThrow(expect.objectContaining({ code: "REQUEST_REFUSED" }));
});

test("every change is refused when another generation is live, and says which is", async () => {
  const admin = await desk.start();
  for (const { line, operation } of endpointsOf(await describe(admin))) {
    if (operation.responses["412"] === undefined) continue;
    const body = operation.requestBody === undefined ? {} : minimal(line);
    const stale = await ask(admin, line, { body, fields: ['If-Match: "41"'] });
    expect(JSON.parse(stale.body), line).toMatchObject({
      status: 412,
      code: "GENERATION_CHANGED",
      generation: 1,
    });
    const weak = await ask(admin, line, { body, fields: ['If-Match: W/"1"'] });
    expect(weak.status, `${line} took a weak tag`).toBe(412);
    const malformed = await ask(admin, line, { body, fields: ["If-Match: 1"] });
    expect(JSON.parse(malformed.body), line).toMatchObject({ status: 400, code: "REQUEST_REFUSED" });
  }
  expect(desk.control.generation).toBe(1);
  expect(desk.control.logLevel, "what makes no generation was changed").toBe("info");
  expect(await desk.control.artifacts()).toHaveLength(1);
});

function minimal(line: string): object {
  const server = "http://127.0.0.1:9000";
  if (line.endsWith("/swap")) return { config: 1 };
  if (line.endsWith("/drain") || line.endsWith("/undrain")) return { server };
  if (line.endsWith("/weight")) return { server, weight: 1 };
  return line.endsWith("/log-level") ? { level: "warn" } : {};
}

test("the tag of what was seen is the condition of what is changed", async () => {
  const admin = await desk.start();
  const { head } = await ask(admin, "GET /v1/status");
  const tag = /^etag: (.*)$/im.exec(head)?.[1] ?? "";
  expect(tag).toBe('"1"');

  const first = await ask(admin, "POST /v1/config/apply", { body: {}, fields: [`If-Match: ${tag}`] });
  const second = await ask(admin, "POST /v1/config/apply", { body: {}, fields: [`If-Match: ${tag}`] });

  expect(first.status).toBe(200);
  expect(first.head).toMatch(/^etag: "2"$/im);
  expect(second.status).toBe(412);
  expect(desk.control.asked).toEqual([
    { by: "local", ifGeneration: 1 },
    { by: "local", ifGeneration: 1 },
  ]);
});

test("a condition is held again by who makes the change: what was live when it was asked may be gone by then", async () => {
  const admin = await desk.start();
  const gate = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  desk.control.gate = () => {
    entered.resolve();
    return gate.promise;
  };
  const first = ask(admin, "POST /v1/config/apply", { body: {} });
  await entered.promise;
  const second = ask(admin, "POST /v1/config/apply", { body: {}, fields: ['If-Match: "1"'] });
  while (desk.control.asked.length < 2) await ask(admin, "GET /livez");
  gate.resolve();

  expect((await first).status).toBe(200);
  const late = await second;
  expect(late.status).toBe(412);
  expect(JSON.parse(late.body)).toMatchObject({ generation: 2 });
});

test.each([
  "/v1/status",
  "/v1/config",
  "/v1/filters",
  "/v1/filters/keys",
  "/v1/generations",
  "/v1/generations/1",
  "/v1/artifacts",
  "/v1/upstreams",
  "/v1/workers",
])("%s carries the live generation as its tag", async (path) => {
  const admin = await desk.start();
  await ask(admin, "POST /v1/config/apply", { body: {} });

  expect((await ask(admin, `GET ${path}`)).head).toMatch(/^etag: "2"$/im);
  expect((await ask(admin, `HEAD ${path}`)).head).toMatch(/^etag: "2"$/im);
});
