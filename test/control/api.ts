import type { AdminRole } from "../../host/config/config.ts";
import type { Admin } from "../../host/control/admin.ts";
import { ask } from "./desk.ts";

/** An OpenAPI 3.1 document, as far as the tests look into it. */
export interface Description {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, object>>;
    readonly securitySchemes: Readonly<Record<string, object>>;
  };
}

export interface Operation {
  readonly summary: string;
  readonly security: readonly Readonly<Record<string, readonly AdminRole[]>>[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content: Content }>>;
}

type Content = Readonly<Record<string, { readonly schema: object }>>;

/** One endpoint of the API, as it describes itself. */
export interface Endpoint {
  readonly method: string;
  readonly path: string;
  /** `GET /v1/filters/keys`, with something that is there in the place of each parameter. */
  readonly line: string;
  /** Null: nobody is asked. */
  readonly role: AdminRole | null;
  readonly operation: Operation;
}

export async function describe(admin: Admin, ...fields: readonly string[]): Promise<Description> {
  return JSON.parse((await ask(admin, "GET /openapi.json", { fields })).body) as Description;
}

export function endpointsOf({ paths }: Description): readonly Endpoint[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([verb, operation]) => {
      const method = verb.toUpperCase();
      const name = path.startsWith("/v1/upstreams/") ? "echo" : "keys";
      const role = operation.security[0]?.["token"]?.[0] ?? null;
      const line = `${method} ${path.replace("{name}", name).replace("{n}", "1").replace("{id}", "aB3-_x0")}`;
      return { method, path, line, role, operation };
    }),
  );
}

/** Bodies with which each endpoint that takes one does what it is for, or finds nothing to do. */
export const BODIES: Readonly<Record<string, unknown>> = {
  "/v1/config/validate": { text: "listen: 3" },
  "/v1/config/diff": {},
  "/v1/config/apply": {},
  "/v1/filters/{name}/diff": { config: 1 },
  "/v1/filters/{name}/swap": { config: 1 },
  "/v1/filters/{name}/promote": {},
  "/v1/filters/{name}/rollback": {},
  "/v1/filters/{name}/record": { forMs: 10 },
  "/v1/rollback": {},
  "/v1/artifacts/collect": {},
  "/v1/upstreams/{name}/drain": { server: "http://127.0.0.1:9000" },
  "/v1/upstreams/{name}/undrain": { server: "http://127.0.0.1:9000" },
  "/v1/upstreams/{name}/weight": { server: "http://127.0.0.1:9000", weight: 3 },
  "/v1/log-level": { level: "debug" },
  "/v1/explain": { method: "GET", url: "http://example.com/a" },
};
