/** A trial and the error budgets of the routes that its filter is on. */
import { expect, test } from "vitest";
import { TRIAL_DEFAULTS } from "../../host/trial/trial.ts";
import { type RawClient, request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { canary, candidate, startTrial } from "./tried.ts";

const stage = makeStage();

/** Within all limits of its own, whatever the upstream answers. */
const LIMITS = {
  ...TRIAL_DEFAULTS,
  forMs: 3_000,
  exchangesMin: 20,
  errorPercentMax: 100,
  addedMsMax: 60_000,
};

test("a canary is not promoted while its route burns the budget, says so, and is promoted when it does no more", async () => {
  const upstream = stage.use(
    await Upstream.start(({ target }) =>
      target === "/bad" ? "HTTP/1.1 500 Sick\r\nContent-Length: 0\r\n\r\n" : ok("ok"),
    ),
  );
  const marks = { component: component("mark"), config: { mark: "old" } };
  const host = stage.use(
    await startTrial(
      upstream,
      {
        filters: { tried: marks, other: marks },
        routes: [
          { name: "api", upstream: "main", filters: ["tried"], slo: { availability: "99%" } },
          {
            name: "else",
            match: { path: "/else" },
            upstream: "main",
            filters: ["other"],
            slo: { availability: "99%" },
          },
        ],
      },
      { tried: candidate("mark", { mark: "new" }, canary(99.999)) },
      LIMITS,
    ),
  );
  const client = await stage.connect(host);
  await asked(client, "/bad", 20);
  const held = await waitFor("a trial that would be over", async () => {
    const view = await host.host.trial("tried");
    return view?.why.startsWith("it waits") === true && view;
  });
  expect(held).toMatchObject({
    state: "running",
    burns: [{ route: "api", objective: "availability", burn: expect.closeTo(100, 6) }],
    why: "it waits: route api burns its availability budget 100 times as fast as it may, and 14.4 times may be",
  });

  // 20 of 139 are 14.39 times as many as may be: the verdict may come from there on.
  await asked(client, "/", 200);

  const promoted = await waitFor("the promotion", async () => {
    const view = await host.host.trial("tried");
    return view?.state === "promoted" && view;
  });
  const [, exchanges] = /^within all limits for 3 s and (\d+) exchanges$/.exec(promoted.why) ?? [];
  expect(Number(exchanges)).toBeGreaterThanOrEqual(139);
  expect(Number(exchanges)).toBeLessThanOrEqual(220);
});

async function asked(client: RawClient, target: string, times: number): Promise<void> {
  for (let time = 0; time < times; time++) await client.ask(request(target));
}
