/** A broken version of a filter under a canary, from its start to its end: whoever tells of it tells the same. */
import { expect, test } from "vitest";
import type { TrialView } from "../../host/trial/trial.ts";
import { request } from "../support/raw-client.ts";
import { component } from "../support/test-host.ts";
import { waitFor } from "../support/waiting.ts";
import { canary } from "../trial/tried.ts";
import { inChromium } from "./in-chromium.ts";
import type { LookedOn } from "./looked-on.ts";

inChromium("a broken version under a canary", 60_000, (start) => {
  test("the clients, the trial, metrics, log, history, timelines and the dashboard tell the same story of it", async () => {
    const looked = await start();
    const { host, running, page } = looked;
    await looked.show("filters");
    await host.swap("mark", { component: component("trap"), config: {}, trial: canary(50) });

    const answers = await untilRolledBack(looked);
    const failed = answers.filter((status) => status === 500).length;
    const trial = (await host.trial("mark")) as TrialView;
    const why = trial.why ?? "";

    // The clients.
    expect(failed, "nothing has failed").toBeGreaterThan(0);
    expect(new Set(answers)).toEqual(new Set([200, 500]));

    // The trial, as it was when the verdict fell: until the way back is made, the candidate goes on serving.
    const { exchanges, failed: missed, failures } = trial.candidate;
    expect([trial.state, exchanges, missed]).toEqual(["rolled-back", failures, failures]);
    expect(failures).toBeGreaterThan(0);
    expect(failures).toBeLessThanOrEqual(failed);
    // What failed until the way back was made is counted with it.
    const [, times] = /^the candidate has failed (once|\d+(?= times)).*, and 0 may be/.exec(why) ?? [];
    const known = times === "once" ? 1 : Number(times);
    expect(known, why).toBeGreaterThan(0);
    expect(known, why).toBeLessThanOrEqual(failures);

    // Metrics.
    const metrics = {
      'sluice_exchanges_total{route="all",status="500"}': failed,
      'sluice_exchanges_total{route="all",status="200"}': answers.length - failed,
      'sluice_failures_total{code="FILTER_TRAPPED"}': failed,
      'sluice_filter_failures_total{filter="mark@candidate",reason="trap"}': failed,
      'sluice_filter_decisions_total{filter="mark@candidate",decision="fail"}': failed,
      'sluice_filter_failures_total{filter="mark",reason="trap"}': 0,
      'sluice_swaps_total{result="ok"}': 1,
      sluice_generation: 3,
    };
    for (const [series, value] of Object.entries(metrics))
      expect(await running.metric(series), series).toBe(value);

    // The log.
    const lines = await running.lines("each exchange", ({ msg }) => msg === "exchange", answers.length);
    const wrong = lines.filter((line) => line["error.type"] === "FILTER_TRAPPED");
    expect(wrong.map((line) => [line["http.response.status_code"], line["sluice.generation"]])).toEqual(
      Array.from({ length: failed }, () => [500, 2]),
    );
    const changes = running.log().flatMap((line) => (line["changes"] as string[] | undefined) ?? []);
    expect(changes).toContain(`filters.mark trial rolled back: ${why}`);

    // The history.
    const [last, tried, first] = await host.generations();
    expect([last?.number, tried?.number, first?.number]).toEqual([3, 2, 1]);
    expect([last?.by, last?.state, last?.changes[0]]).toEqual([
      "trial",
      "live",
      `filters.mark trial rolled back: ${why}`,
    ]);

    // Timelines.
    const kept = await host.exchanges({ failed: true, limit: 1_000 });
    expect(kept.map(({ requestId }) => requestId).toSorted()).toEqual(
      wrong.map((line) => line["request_id"] as string).toSorted(),
    );
    for (const { steps, generation, versions } of kept) {
      expect([generation, versions]).toEqual([2, { mark: "candidate" }]);
      expect(steps?.at(-1)).toMatchObject({ filter: "mark@candidate", decision: "fail", reason: "trap" });
    }

    // The dashboard.
    const region = page.getByRole("region", { name: "mark: canary of 50 %" });
    await region.getByText("rolled back").waitFor();
    await region.getByText(why).first().waitFor();
    await page.getByRole("link", { name: "Generations" }).click();
    const row = page.getByRole("row", { name: /trial rolled back/ });
    await row.getByRole("cell", { name: "trial", exact: true }).waitFor();
    expect(await row.textContent()).toContain(why);
    await page.getByRole("link", { name: "Failures" }).click();
    const since = page.getByRole("region", { name: "Since the start" });
    await since.getByText(`FILTER_TRAPPED ${failed}`, { exact: true }).waitFor();
    const shown = page.getByRole("region", { name: "The last failed exchanges" }).getByRole("group");
    await waitFor("each that has failed", async () => (await shown.count()) === failed);
  });
});

/** Asks until the trial has ended; gives the statuses. */
async function untilRolledBack({ host, running }: LookedOn): Promise<number[]> {
  const client = await running.connect();
  const statuses: number[] = [];
  try {
    await waitFor("the way back", async () => {
      const { status } = await client.ask(request("/panic"));
      statuses.push(status);
      return (await host.trial("mark"))?.state === "rolled-back";
    });
    return statuses;
  } finally {
    await client[Symbol.asyncDispose]();
  }
}
