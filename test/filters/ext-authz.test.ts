/** The filter ext-authz in a proxy, with a service that answers as each test says. */
import { describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, startHost, type TestHost } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";

const stage = makeStage();

interface Scene {
  readonly service: Upstream;
  readonly main: Upstream;
  readonly host: TestHost;
}

async function scene(answer: Answer, config: object = {}): Promise<Scene> {
  const service = stage.use(await Upstream.start(answer));
  const main = stage.use(await Upstream.start());
  const host = stage.use(
    await startHost({
      upstreams: { main: { servers: [main.origin] }, authz: { servers: [service.origin] } },
      filters: {
        authz: {
          component: component("ext_authz"),
          config: { upstream: "authz", path: "/check", ...config },
          grant: { clock: true, http: ["authz"] },
        },
      },
      routes: [{ upstream: "main", filters: ["authz"] }],
    }),
  );
  return { service, main, host };
}

test("a yes lets the request pass, with what the service says of it", async () => {
  const { service, main, host } = await scene(() => ok("", ["X-User: alice"]), { "to-upstream": ["x-user"] });
  const client = await stage.connect(host);

  const response = await client.ask(
    request("/a?b=c", ["Authorization: Bearer x", "X-User: root", "X-Other: 1"]),
  );

  expect([response.status, response.body.toString()]).toEqual([200, "ok"]);
  expect(main.only.head.all("x-user")).toEqual(["alice"]);
  const { head, method, target } = service.only;
  expect([method, target]).toEqual(["GET", "/check"]);
  expect(head.one("authorization")).toBe("Bearer x");
  expect(head.one("x-other")).toBeUndefined();
  expect(head.one("x-forwarded-method")).toBe("GET");
  expect(head.one("x-forwarded-uri")).toBe("/a?b=c");
  expect(head.one("x-forwarded-host")).toBe("sluice.test");
});

test("a no is the client's answer, and the upstream sees nothing", async () => {
  const no =
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nX-Inner: 1\r\nContent-Length: 2\r\n\r\nno";
  const { main, host } = await scene(() => no);
  const response = await (await stage.connect(host)).ask(request("/"));
  expect([response.status, response.body.toString()]).toEqual([401, "no"]);
  expect(response.head.one("www-authenticate")).toBe("Basic");
  expect(response.head.one("x-inner")).toBeUndefined();
  expect(main.arrivals).toEqual([]);
});

describe("without an answer", () => {
  const broken: readonly (readonly [string, Answer, object])[] = [
    ["it breaks off", ({ socket }) => void socket.destroy(), {}],
    ["it is too slow", () => undefined, { timeout: "50ms" }],
    ["it is broken", () => "HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\nsecret", {}],
  ];

  test.each(broken)("when %s the policy decides", async (_, answer, config) => {
    const closed = await scene(answer, config);
    const refused = await (await stage.connect(closed.host)).ask(request("/"));
    expect([refused.status, refused.body.toString()]).toEqual([503, ""]);
    expect(closed.main.arrivals).toEqual([]);

    const open = await scene(answer, { ...config, "on-error": "open" });
    expect((await (await stage.connect(open.host)).ask(request("/"))).status).toBe(200);
  });
});

test("an answer counts for a time, and other exchanges go on while one is asked for", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { service, host } = await scene(
    async ({ head }) => {
      if (head.one("x-forwarded-uri") === "/slow") await promise;
      return ok("");
    },
    { cache: { for: "1h" }, timeout: "30s" },
  );
  const [slow, quick] = [await stage.connect(host), await stage.connect(host)];
  slow.send(request("/slow"));
  await service.arrived(1);

  for (let round = 0; round < 3; round += 1) expect((await quick.ask(request("/quick"))).status).toBe(200);
  resolve();
  expect((await slow.response()).status).toBe(200);

  // Another instance served each of both, and one that asks again is allowed to: what is kept is the instance's own.
  expect(service.arrivals.map(({ head }) => head.one("x-forwarded-uri")).slice(0, 2)).toEqual([
    "/slow",
    "/quick",
  ]);
  expect(service.arrivals.length).toBe(2);
});
