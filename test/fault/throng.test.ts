import { expect, test } from "vitest";
import { startHost } from "../support/test-host.ts";
import { waitFor } from "../support/waiting.ts";
import { HoldingUpstream, throng, throngParts, TRAPPED_OF } from "./throng.ts";

const CLIENTS = 1_000;
const EXCHANGES = 20_000;

// `npm run soak -- instances` does the same a million times.
test(`of ${EXCHANGES} exchanges, ${CLIENTS} at once, 1 in ${TRAPPED_OF} traps: it costs itself, and nothing stays behind`, async () => {
  // Nearly all that there can be at any time: the others are on their way.
  await using upstream = await HoldingUpstream.start(CLIENTS - 50);
  await using host = await startHost(throngParts(upstream, CLIENTS));
  const trapped = EXCHANGES / TRAPPED_OF;
  expect(await throng(host.address, upstream, CLIENTS, EXCHANGES)).toEqual({
    served: EXCHANGES - trapped,
    trapped,
    wrong: [],
  });
  expect(upstream.most, "exchanges at once").toBeGreaterThan(CLIENTS - 51);
  expect(await host.metric('sluice_filter_failures_total{filter="trap",reason="trap"}')).toBe(trapped);
  for (const filter of ["before", "trap", "after"]) {
    expect(await host.metric(`sluice_filter_handles_leaked_total{filter="${filter}"}`)).toBe(0);
    const failed = filter === "trap" ? trapped : 0;
    expect(await host.metric(`sluice_filter_instances_ended_total{filter="${filter}",reason="fault"}`)).toBe(
      failed,
    );
    await waitFor(
      `the end of the instances of ${filter}`,
      async () => (await host.metric(`sluice_filter_instances{filter="${filter}"}`)) <= 2,
    );
  }
  expect(await host.metric("sluice_exchanges_in_flight")).toBe(0);
}, 90_000);
