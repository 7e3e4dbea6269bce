/** The store in a running host: one for all workers, whatever comes and goes. */
import { expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, type TestHost } from "../support/test-host.ts";
import { type Answer, ok } from "../support/upstream.ts";

const { path } = makeStage();

const counted: Answer = ({ head }) => ok(head.all("x-count").join());

const filter = (name: string, grant: object, config: unknown = null): object => ({
  component: component(name),
  config,
  grant,
});

/** By a connection of its own: connections go round the workers. */
async function ask(host: TestHost, target = "/"): Promise<[status: number, body: string]> {
  await using client = await host.connect();
  const { status, body } = await client.ask(request(target));
  return [status, body.toString()];
}

test("counters are the same on all workers, and outlive swaps", async () => {
  const { host } = await path(counted, {
    workers: 2,
    filters: { counts: filter("wants_store", { store: true }) },
    routes: [{ filters: ["counts"], upstream: "main" }],
  });
  const seen: string[] = [];
  for (let turn = 0; turn < 6; turn++) seen.push((await ask(host))[1]);
  expect(seen).toEqual(["1", "2", "3", "4", "5", "6"]);
  await host.host.swap("counts", { component: component("wants_store"), config: {} });
  expect(await ask(host)).toEqual([200, "7"]);
});

test("a filter has keys of its own unless it is granted a space by name", async () => {
  const { host } = await path(counted, {
    filters: {
      own: filter("wants_store", { store: true }),
      other: filter("wants_store", { store: true }),
      one: filter("wants_store", { store: "together" }),
      two: filter("wants_store", { store: "together" }),
      three: filter("wants_store", { store: "own" }),
    },
    routes: ["own", "other", "one", "two", "three"].map((name) => ({
      match: { path: `/${name}` },
      filters: [name],
      upstream: "main",
    })),
  });
  const counts: Record<string, string> = {};
  for (const name of ["own", "own", "other", "one", "two", "three"])
    counts[name] = (await ask(host, `/${name}`))[1];
  expect(counts).toEqual({ own: "2", other: "1", one: "1", two: "2", three: "1" });
});

test("a rate holds over all workers", async () => {
  const { host } = await path(counted, {
    workers: 2,
    filters: { limited: filter("limited", { "rate-limit": true }, { burst: 3 }) },
    routes: [{ filters: ["limited"], upstream: "main" }],
  });
  const answers: number[] = [];
  for (let turn = 0; turn < 5; turn++) answers.push((await ask(host, "/a"))[0]);
  expect(answers).toEqual([200, 200, 200, 429, 429]);
  expect((await ask(host, "/b"))[0]).toBe(200);
});
