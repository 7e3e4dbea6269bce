/** What operators change by hand, and what they are shown. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TRIAL_DEFAULTS } from "../../host/trial/trial.ts";
import { request } from "../support/raw-client.ts";
import { component } from "../support/test-host.ts";
import { Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { MARK, markOf, Place, refusal } from "./changing.ts";

let place: Place;

beforeEach(async () => {
  place = await Place.make();
});

afterEach(() => place[Symbol.asyncDispose]());

describe("a server", () => {
  test("that is drained gets no new exchange, and the connections to the others are kept", async () => {
    const two = place.stack.use(await Upstream.start());
    const servers = [place.upstream.origin, two.origin];
    const host = await place.start({ servers });
    await using client = await host.connect();
    const ask = async (count: number): Promise<void> => {
      for (let at = 0; at < count; at++) await client.ask(request("/"));
    };
    await ask(20);
    const connections = two.connections;
    const result = await host.host.drainServer("main", place.upstream.origin, true);
    expect(result.changes).toEqual([
      expect.stringMatching(/^upstreams\.main\.servers\[.*drained: true added$/),
    ]);
    const before = place.upstream.arrivals.length;
    await ask(20);
    expect(place.upstream.arrivals.length).toBe(before);
    expect(two.connections, "a connection to the server that stays was made anew").toBe(connections);
    expect(host.host.status().upstreams).toMatchObject([{ drained: [place.upstream.origin] }]);
    expect((await refusal(host.host.drainServer("main", two.origin, true))).code).toBe("SERVER_NEEDED");

    await host.host.apply(place.text({ servers, mark: "two" }));
    expect(host.host.status().upstreams, "a reload forgets it").toMatchObject([
      { drained: [place.upstream.origin] },
    ]);
    await host.host.drainServer("main", place.upstream.origin, false);
    await ask(40);
    expect(place.upstream.arrivals.length).toBeGreaterThan(before);
  });

  test("has another weight at once, and one that nobody knows is refused by its name", async () => {
    const two = place.stack.use(await Upstream.start());
    const servers = [place.upstream.origin, two.origin];
    const host = await place.start({
      servers,
      rest: { upstreams: { main: { servers, balance: "round-robin" } } },
    });
    await host.host.setWeight("main", two.origin, 100);
    await using client = await host.connect();
    for (let at = 0; at < 60; at++) await client.ask(request("/"));
    expect(two.arrivals.length).toBeGreaterThan(50);
    const { code, message } = await refusal(host.host.setWeight("main", "http://127.0.0.1:1", 2));
    expect([code, message]).toEqual([
      "SERVER_UNKNOWN",
      `the upstream main has no server http://127.0.0.1:1: ${servers.join(", ")}`,
    ]);
  });
});

describe("what would change", () => {
  test("is told without being done, refusals and what is imported more among it", async () => {
    const { host } = await place.start();
    const differences = await host.diff(place.text({ mark: "two", rest: { limits: { edits: 7 } } }));
    expect(differences.refusals).toEqual([]);
    expect(differences.differences).toEqual([
      { path: "limits.edits", kind: "changed", from: expect.any(Number), to: 7 },
      { path: "filters.mark.config.mark", kind: "changed", from: "one", to: "two" },
    ]);
    const more = await host.diffSwap("mark", { component: component("wants_store"), config: null });
    expect(more.differences).toContainEqual({
      path: "filters.mark.imports",
      kind: "added",
      to: "sluice:filter/store@0.1.0",
    });
    expect(more.refusals).toEqual([expect.stringContaining("filters.mark needs `grant: { store: true }`")]);
    expect(host.status().generation).toBe(1);
  });

  test("and what runs have nothing in them that may be a secret", async () => {
    const rest = {
      filters: {
        mark: {
          component: MARK,
          config: { mark: "shown", token: "s3cr3t-token" },
          grant: { env: { REGION: "s3cr3t-env" } },
        },
      },
      store: { server: "redis://user:s3cr3t-password@127.0.0.1:1" },
    };
    const { host } = await place.start();
    const shown = JSON.stringify([
      host.config(),
      await host.diff(place.text({ rest })),
      (await refusal(host.apply(place.text({ rest })))).message,
    ]);
    expect(shown).toContain("[redacted]");
    expect(shown).toContain("shown");
    expect(shown).not.toContain("s3cr3t");
  });
});

test("the config of a version that is only tried has nothing in it that may be a secret either", async () => {
  const { host } = await place.start();
  const config = { request: { set: { "x-token": "s3cr3t", "x-other": "shown" } } };
  const trial = { kind: "shadow", ...TRIAL_DEFAULTS } as const;
  await host.swap("mark", { component: component("headers"), config, trial });
  const shown = JSON.stringify([host.config(), await host.diff(undefined), await host.generations()]);
  expect(shown).toContain("shown");
  expect(shown).not.toContain("s3cr3t");
});

test("the log's level changes on all threads at once, and a new worker has it, too", async () => {
  const host = await place.start();
  await host.host.setLogLevel("warn");
  expect(host.host.logLevel).toBe("warn");
  await markOf(host);
  await host.host.setLogLevel("info");
  await markOf(host);
  await host.lines("an exchange", ({ msg }) => msg === "exchange");
  expect(host.log().filter(({ msg }) => msg === "exchange")).toHaveLength(1);
});

test("requests that were refused at the door are kept with the byte, and without what was in them", async () => {
  const host = await place.start();
  await using client = await host.connect();
  client.send("GET /s3cr3t HTTP/1.1\r\nHost: a\r\nBad Name: s3cr3t\r\n\r\n");
  expect((await client.response()).status).toBe(400);
  const [refused] = await waitFor("the refusal", async () => {
    const found = await host.host.refusedRequests();
    return found.length > 0 && found;
  });
  expect(refused).toMatchObject({ status: 400, detail: expect.stringMatching(/byte \d+ of the head/) });
  expect(JSON.stringify(refused)).not.toMatch(/s3cr3t|127\.0\.0\.1/);
});
