/** What an operator sees of servers. */
import { pino } from "pino";
import { expect, test } from "vitest";
import { startAdmin } from "../../host/control/admin.ts";
import { readAdminAddress } from "../../host/control/admin-address.ts";
import { AdminClient } from "../../host/control/admin-client.ts";
import type { ServerView } from "../../host/ops/server-meter.ts";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { startHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

const { use, connect } = makeStage();

test("the status has every server as all workers see it together", async () => {
  const well = use(await Upstream.start(({ target }) => (target === "/hangs" ? undefined : ok(""))));
  const broken = use(await Upstream.start(({ socket }) => void socket.destroy()));
  const main = {
    servers: [well.origin, broken.origin],
    balance: "round-robin",
    ejection: { consecutive: 2, base: "1h", max: "1h" },
  };
  const host = use(await startHost({ upstreams: { main }, workers: 2 }));
  const config = { address: readAdminAddress("127.0.0.1:0"), hosts: [], tokens: [], audit: null };
  const admin = await startAdmin(host.host, config, pino({ level: "silent" }));
  use({ [Symbol.asyncDispose]: () => admin.close() });
  const client = new AdminClient(readAdminAddress(admin.address));
  use({ [Symbol.asyncDispose]: () => client.close() });
  const addresses = async (): Promise<readonly ServerView[]> => {
    const { upstreams } = await client.status();
    return upstreams[0]?.addresses ?? [];
  };
  expect((await addresses()).map(({ server, states }) => [server, states])).toEqual([
    [well.origin, { healthy: 2 }],
    [broken.origin, { healthy: 2 }],
  ]);

  await waitFor("the ejection by both workers", async () => {
    // A new one goes to the worker that has fewer, and which that is is not this test's to say.
    const client = await connect(host);
    for (let round = 0; round < 4; round++) await client.ask(request("/", [], "POST"));
    return (await addresses())[1]?.states.ejected === 2;
  });
  const served = well.arrivals.length;
  for (const one of [await connect(host), await connect(host)]) one.send(request("/hangs"));
  const [first, second] = await waitFor("both requests", async () => {
    const found = await addresses();
    return found[0]?.inFlight === 2 && found;
  });
  expect(first).toMatchObject({ server: well.origin, address: "", states: { healthy: 2 }, pending: 0 });
  expect(first?.connections).toBeGreaterThanOrEqual(2);
  expect(second).toMatchObject({ states: { ejected: 2 }, inFlight: 0, connections: 0 });

  const labels = `upstream="main",server="${well.origin}"`;
  const failed = `upstream="main",server="${broken.origin}",reason="reset"`;
  // A worker that is late with its numbers is counted with its last ones.
  await waitFor("the metrics of both workers", async () => {
    const inFlight = await host.metric(`sluice_server_requests_in_flight{${labels}}`);
    const tries = await host.metric(`sluice_server_tries_total{${labels}}`);
    const failures = await host.metric(`sluice_server_failures_total{${failed}}`);
    return inFlight === 2 && tries === served && failures === 4;
  });
});
