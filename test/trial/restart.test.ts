import { expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { canary, candidate, counted, SHADOW, startTrial } from "./tried.ts";

const stage = makeStage();

test("a worker that is replaced goes on with both kinds of trials, and nothing that was counted is lost", async () => {
  const upstream = stage.use(await Upstream.start(() => ok("ok")));
  const mark = (name: string): object => ({ component: component("mark"), config: { mark: name } });
  const host = stage.use(
    await startTrial(
      upstream,
      {
        filters: {
          a: mark("a"),
          b: mark("b"),
          trap: { component: component("trap"), limits: { fuel: 2_000_000_000 } },
        },
        routes: [
          { match: { path: "/stall" }, filters: ["trap"], upstream: "main" },
          { upstream: "main", filters: ["a", "b"] },
        ],
      },
      {
        a: candidate("mark", { mark: "new" }, canary(50, { kind: "header", name: "x-user" })),
        b: candidate("mark", { mark: "other" }, SHADOW),
      },
    ),
  );
  const serve = async (): Promise<Map<string, string>> => {
    const client = await stage.connect(host);
    const served = new Map<string, string>();
    for (let user = 0; user < 20; user++) {
      const { head } = await client.ask(request("/", [`x-user: ${user}`]));
      served.set(`user ${user}`, head.one("x-mark") ?? "");
    }
    return served;
  };
  const before = await serve();
  await counted(
    host,
    "a",
    "20 exchanges",
    ({ present, candidate: it }) => present.exchanges + it.exchanges === 20,
  );
  await counted(host, "b", "20 copies", ({ candidate: it }) => it.exchanges === 20);

  const stuck = await stage.connect(host);
  stuck.send(request("/stall"));
  await stuck.close();
  await waitFor("the worker's successor", () => host.host.readiness().ready);

  expect(await serve(), "another version serves the same users").toEqual(before);
  expect(new Set(before.values())).toEqual(new Set(["a", "new"]));
  await counted(
    host,
    "a",
    "40 exchanges",
    ({ present, candidate: it }) => present.exchanges + it.exchanges === 40,
  );
  const { shadow } = await counted(host, "b", "40 copies", ({ candidate: it }) => it.exchanges === 40);
  expect(shadow).toMatchObject({ compared: 40, different: 40 });
});

test("a trial goes on through a swap of another filter, with its counts", async () => {
  const upstream = stage.use(await Upstream.start(() => ok("ok")));
  const host = stage.use(
    await startTrial(
      upstream,
      {
        filters: Object.fromEntries(
          ["a", "b"].map((name) => [name, { component: component("mark"), config: { mark: name } }]),
        ),
        routes: [{ upstream: "main", filters: ["a", "b"] }],
      },
      { a: candidate("mark", { mark: "other" }, SHADOW) },
    ),
  );
  const client = await stage.connect(host);
  for (let round = 1; round <= 3; round++) {
    await host.host.swap("b", { config: { mark: `b${round}` } });
    const { head } = await client.ask(request("/"));
    expect(head.one("x-mark")).toBe("a");
    await counted(host, "a", `${round} copies`, ({ candidate: it }) => it.exchanges === round);
  }
});
