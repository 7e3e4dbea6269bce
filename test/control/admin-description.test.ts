import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import * as z from "zod";
import { PROBLEMS } from "../../host/control/admin-problem.ts";
import { BODIES, type Description, describe, endpointsOf } from "./api.ts";
import { ask, Desk } from "./desk.ts";

let desk: Desk;

beforeEach(() => {
  desk = new Desk();
});

afterEach(() => desk.close());

/** What the API is to have, with the role that each endpoint needs. */
const TABLE = `
GET /v1/status read
GET /v1/config read
POST /v1/config/validate admin
POST /v1/config/diff read
POST /v1/config/apply admin
GET /v1/filters read
GET /v1/filters/{name} read
POST /v1/filters/{name}/swap swap
POST /v1/filters/{name}/diff swap
POST /v1/filters/{name}/promote swap
POST /v1/filters/{name}/rollback swap
POST /v1/filters/{name}/record swap
GET /v1/filters/{name}/trial read
GET /v1/generations read
GET /v1/generations/{n} read
POST /v1/rollback swap
GET /v1/artifacts read
POST /v1/artifacts/collect admin
GET /v1/upstreams read
POST /v1/upstreams/{name}/drain admin
POST /v1/upstreams/{name}/undrain admin
POST /v1/upstreams/{name}/weight admin
GET /v1/workers read
GET /v1/log-level read
POST /v1/log-level admin
GET /v1/refused read
GET /v1/whoami read
GET /v1/live read
GET /v1/config/text admin
GET /v1/exchanges read
GET /v1/exchanges/{id} read
POST /v1/explain read
GET /metrics read
GET /openapi.json read
GET /livez nobody
GET /readyz nobody
`
  .trim()
  .split("\n");

test("the API describes every endpoint with its role, and no other", async () => {
  const endpoints = endpointsOf(await describe(await desk.start()));

  const described = endpoints.map(({ method, path, role }) => `${method} ${path} ${role ?? "nobody"}`);

  expect(described.toSorted()).toEqual(TABLE.toSorted());
});

test("the description is OpenAPI 3.1 that holds together", async () => {
  const description = await describe(await desk.start());

  expect(description.openapi).toBe("3.1.0");
  expect(description.info).toMatchObject({ title: "Sluice admin API", version: "0.1.0" });
  expect(description.info.description, "it does not say how to authenticate").toContain(
    "Authorization: Bearer",
  );
  expect(description.components.securitySchemes["token"]).toMatchObject({ type: "http", scheme: "bearer" });
  expect(danglingRefs(description)).toEqual([]);
  for (const { line, path, operation } of endpointsOf(description)) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === "path");
    expect(
      declared.map(({ name }) => name),
      `${line} names its parameters`,
    ).toEqual(named);
    expect(operation.summary, `${line} says what it does`).not.toBe("");
    expect(Object.keys(operation.responses), `${line} may succeed`).toContain("200");
    for (const response of Object.values(operation.responses)) expect(response.description).not.toBe("");
  }
});

test("every problem is described where it may be met, with its status", async () => {
  const met = new Set<string>();
  for (const { line, path, method, role, operation } of endpointsOf(await describe(await desk.start()))) {
    const codes: string[] = [];
    for (const [status, { description, content }] of Object.entries(operation.responses)) {
      if (content["application/problem+json"] === undefined) continue;
      expect(content).toEqual({
        "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
      });
      for (const [, code = ""] of description.matchAll(/^([A-Z_]+): /gm)) {
        expect(PROBLEMS, line).toHaveProperty(code);
        expect(PROBLEMS[code as keyof typeof PROBLEMS].status, `${code} of ${line}`).toBe(Number(status));
        codes.push(code);
        met.add(code);
      }
    }
    expect(codes).toContain("HOST_REFUSED");
    expect(codes.includes("TOKEN_REFUSED"), `${line} asks who is there`).toBe(role !== null);
    expect(codes.includes("BODY_REFUSED"), `${line} takes a body`).toBe(method === "POST");
    const changes = method === "POST" && role !== "read" && !/(validate|diff)$/.test(path);
    expect(codes.includes("GENERATION_CHANGED"), `${line} takes a condition`).toBe(changes);
    expect(
      (operation.parameters ?? []).some(({ name }) => name === "if-match"),
      `${line} takes a condition`,
    ).toBe(changes);
  }
  // They are of no endpoint.
  const elsewhere = ["METHOD_REFUSED", "PATH_UNKNOWN"];
  expect([...met, ...elsewhere].toSorted()).toEqual(Object.keys(PROBLEMS).toSorted());
});

test("what is answered has the shape that is described", async () => {
  const { path } = desk.newComponent();
  const admin = await desk.start();
  const trial = { kind: "canary", percent: 5 };
  await ask(admin, "POST /v1/filters/keys/swap", { body: { component: path, trial } });
  const description = await describe(admin);

  for (const endpoint of endpointsOf(description)) {
    const body = endpoint.method === "POST" ? { body: BODIES[endpoint.path] } : {};
    const reply = await ask(admin, endpoint.line, body);
    const status = endpoint.path.endsWith("/rollback") && endpoint.path !== "/v1/rollback" ? 409 : 200;
    expect(reply.status, `${endpoint.line}: ${reply.body}`).toBe(status);
    const described = endpoint.operation.responses[String(status)];
    const [type = "", media] = Object.entries(described?.content ?? {})[0] ?? [];
    expect(reply.head.toLowerCase()).toContain(`content-type: ${type}`);
    if (type === "text/plain" || type === "application/x-ndjson" || type === "text/event-stream") continue;
    const verdict = schemaOf(description, media?.schema ?? {}).safeParse(JSON.parse(reply.body));
    expect(verdict.error?.issues, endpoint.line).toBeUndefined();
  }
});

test("members that nobody knows are refused everywhere, by their name", async () => {
  const admin = await desk.start();
  for (const { method, path, line, operation } of endpointsOf(await describe(admin))) {
    if (method !== "POST") continue;
    const body = { ...(BODIES[path] as object), "no-such-member": 1 };
    const reply = await ask(admin, line, { body });
    expect(JSON.parse(reply.body), line).toMatchObject({
      status: 400,
      code: "BODY_REFUSED",
      detail: expect.stringContaining("no-such-member"),
    });
    expect(operation.requestBody?.required).toBe(true);
  }
});

test("docs/admin-api.md has every endpoint with its role, and no other", () => {
  const rows = page().matchAll(/^\| `(GET|POST) ([^ `]+)` \| (read|swap|admin|nobody) \|/gm);

  const documented = [...rows].map(([, method, path, role]) => `${method} ${path} ${role}`);

  expect(documented.toSorted()).toEqual(TABLE.toSorted());
});

test("docs/admin-api.md explains every problem with its status, and no other", () => {
  const rows = page().matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (.+) \|$/gm);

  const documented = [...rows].map(([, code, status, meaning]) => [
    code,
    { status: Number(status), meaning },
  ]);

  expect(Object.fromEntries(documented)).toEqual(PROBLEMS);
});

function page(): string {
  return readFileSync(new URL("../../docs/admin-api.md", import.meta.url), "utf8");
}

/** The schema as what it takes and refuses. */
function schemaOf({ components }: Description, schema: object): z.ZodType {
  const whole = JSON.stringify({ ...schema, $defs: components.schemas });
  const local = whole.replaceAll("#/components/schemas/", "#/$defs/");
  return z.fromJSONSchema(JSON.parse(local) as z.core.JSONSchema.JSONSchema);
}

function danglingRefs(description: Description): string[] {
  const refs = JSON.stringify(description).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g);
  const names = [...refs].map(([, name]) => name ?? "");
  expect(names.length).toBeGreaterThan(0);
  return names.filter((name) => !(name in description.components.schemas));
}
