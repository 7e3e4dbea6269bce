/** The lines of exchanges as a whole host writes them. */
import { describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component } from "../support/test-host.ts";
import { ok } from "../support/upstream.ts";

const { path, connect } = makeStage();

const MARKED = {
  filters: { first: { component: component("mark"), config: { mark: "1" } } },
  routes: [{ name: "all", upstream: "main", filters: ["first"] }],
};

describe("a line of an exchange", () => {
  test("tells what each filter took and changed, and no value", async () => {
    const { host } = await path(() => ok("hello", ["X-Mark: upstreams"]), MARKED);
    const client = await connect(host);
    await client.ask(request("/a?token=sentinel", ["User-Agent: sentinel"]));

    const [line] = await host.lines("the exchange", ({ msg }) => msg === "exchange");

    expect(line).toMatchObject({
      "http.request.method": "GET",
      "url.path": "/a",
      "http.route": "all",
      "http.response.status_code": 200,
      "http.response.body.size": 5,
    });
    const digest = host.host.status().filters[0]?.digest.slice(0, 12);
    const call = {
      filter: "first",
      digest,
      ms: expect.any(Number),
      fuel: expect.any(Number),
      decision: "pass",
    };
    expect(line?.["sluice.filters"]).toEqual([
      { ...call, phase: "request", changed: ["+x-mark"] },
      { ...call, phase: "response", changed: ["~x-mark"] },
    ]);
    expect(JSON.stringify(line)).not.toMatch(/sentinel|upstreams|client\.address/);
  });

  test("has header fields as the client sent them and as it got them", async () => {
    const { host } = await path(() => ok("", ["X-Mark: upstreams"]), {
      ...MARKED,
      log: { headers: ["X-Mark"] },
    });
    const client = await connect(host);
    await client.ask(request("/", ["X-Mark: clients"]));
    const [line] = await host.lines("the exchange", ({ msg }) => msg === "exchange");
    expect(line).toMatchObject({
      "http.request.header.x-mark": ["clients"],
      "http.response.header.x-mark": ["1"],
    });
  });

  test("follows a change of the configuration, and those that fail are always logged", async () => {
    const routes = [{ name: "all", match: { path: "/here" }, upstream: "main" }];
    const { host } = await path(undefined, { routes, log: { exchanges: { only: { status: ["3xx"] } } } });
    const client = await connect(host);
    await client.ask(request("/here"));
    await client.ask(request("/nowhere"));
    const [line] = await host.lines("the failure", ({ msg }) => msg === "exchange");
    expect(line).toMatchObject({ "error.type": "ROUTE_NOT_FOUND", "url.path": "/nowhere" });
    expect(host.log().filter(({ msg }) => msg === "exchange")).toHaveLength(1);
  });
});

describe("the address of a client in a log", () => {
  test.each(["truncate", "keyed-hash"] as const)(
    "that has it %s is the same name for the same client",
    async (log) => {
      const { host } = await path(undefined, { workers: 2, "client-address": { log } });
      const told = new Set<unknown>();
      for (const from of ["127.1.2.3", "127.1.2.3", "127.1.2.3", "127.4.5.6"]) {
        await using client = await connect(host, from);
        await client.ask(request(`/${from}`));
      }
      const lines = await host.lines("exchanges", ({ msg }) => msg === "exchange", 4);
      for (const line of lines) told.add(`${String(line["url.path"])} ${String(line["client.address"])}`);
      expect(told.size).toBe(2);
      if (log === "truncate")
        expect([...told].toSorted()).toEqual(["/127.1.2.3 127.1.2.0/24", "/127.4.5.6 127.4.5.0/24"]);
      else expect([...told].join(" ")).not.toMatch(/ 127/);
    },
  );
});
