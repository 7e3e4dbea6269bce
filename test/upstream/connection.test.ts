/** Which connection a request gets, what counts as one, and what its end is called. */
import { describe, expect, test } from "vitest";
import { lossOf } from "../../host/http1/connection-loss.ts";
import { request } from "../support/raw-client.ts";
import { gate, makeStage } from "../support/stage.ts";
import { startHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { OFFER, switching } from "../upgrade/tunnel.ts";

const { use, path, connect } = makeStage();

test("a request that a kept connection has failed is sent again on a new one, however many are kept", async () => {
  const { answer, open } = gate();
  const served = new Set<number>();
  const upstream = use(
    await Upstream.start((arrival) => {
      // Each connection serves one request, and breaks at its second.
      if (served.has(arrival.connection)) return void arrival.socket.destroy();
      served.add(arrival.connection);
      return answer(arrival);
    }),
  );
  const main = { servers: [upstream.origin], retries: { attempts: 1 } };
  const host = use(await startHost({ upstreams: { main }, limits: { "upstream-connections": 4 } }));
  const clients = await Promise.all(Array.from({ length: 4 }, () => connect(host)));
  for (const [index, client] of clients.entries()) {
    client.send(request("/"));
    await upstream.arrived(index + 1);
  }
  open();
  for (const client of clients) expect((await client.response()).status).toBe(200);
  expect(
    (await clients[0]?.ask(request("/again")))?.status,
    "the second kept connection was stale, too",
  ).toBe(200);
  expect(upstream.arrivals.map(({ connection }) => connection).slice(4)).toEqual([expect.any(Number), 5]);
});

describe("an upgraded connection", () => {
  test("is one of limits.upstream-connections until it ends", async () => {
    const { upstream, host } = await path(switching, {
      limits: { "upstream-connections": 1, "upstream-pending": 1 },
    });
    const tunnel = await connect(host);
    tunnel.send(request("/socket", OFFER));
    await tunnel.head();
    const waiting = await connect(host);
    waiting.send(request("/waits"));
    await waitFor(
      "the request that waits",
      async () => (await host.metric("sluice_exchanges_in_flight")) === 2,
    );
    expect((await (await connect(host)).ask(request("/refused"))).status).toBe(503);
    expect(upstream.arrivals.length).toBe(1);
    tunnel.destroy();
    expect((await waiting.response()).status).toBe(200);
  });

  test("is a load on its server: others get the next requests", async () => {
    const upstreams = [use(await Upstream.start(switching)), use(await Upstream.start(switching))];
    const main = { servers: upstreams.map(({ origin }) => origin) };
    const host = use(await startHost({ upstreams: { main } }));
    const tunnel = await connect(host);
    tunnel.send(request("/socket", OFFER));
    await tunnel.head();
    const client = await connect(host);
    for (let round = 0; round < 4; round++) await client.ask(request("/"));
    expect(upstreams.map(({ arrivals }) => arrivals.length).toSorted((a, b) => a - b)).toEqual([1, 4]);
  });
});

test("a client that is slow with its body does not use up its server's timeouts.head", async () => {
  const { answer } = gate();
  const upstream = use(
    await Upstream.start(async (arrival) => (arrival.method === "GET" ? answer(arrival) : ok("got"))),
  );
  const main = { servers: [upstream.origin], timeouts: { head: "50ms" } };
  const host = use(await startHost({ upstreams: { main } }));
  const slow = await connect(host);
  slow.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo");
  await upstream.arrived(1);
  // One that begins later has run out of time: so would the first one have.
  expect((await (await connect(host)).ask(request("/"))).status).toBe(504);
  slow.send("dy");
  expect((await slow.response("POST")).body.toString()).toBe("got");
});

describe("Proxy-Status says why a server was not reached", () => {
  test("its name is unknown", async () => {
    const host = use(await startHost({ upstreams: { main: { servers: ["http://nobody.invalid:80"] } } }));
    const { status, head } = await (await connect(host)).ask(request("/"));
    expect([status, head.one("proxy-status")]).toEqual([
      502,
      'sluice; error=dns_error; details="UPSTREAM_UNREACHABLE"',
    ]);
  });

  test.each([
    ["ECONNREFUSED", "UPSTREAM_UNREACHABLE", undefined],
    ["EAI_AGAIN", "UPSTREAM_UNREACHABLE", "dns_error"],
    ["ENETUNREACH", "UPSTREAM_UNREACHABLE", "destination_ip_unroutable"],
    ["ECONNRESET", "UPSTREAM_UNREACHABLE", "connection_terminated"],
    ["EMFILE", "UPSTREAM_UNREACHABLE", "proxy_internal_error"],
    ["ETIMEDOUT", "UPSTREAM_CONNECT_TIMED_OUT", undefined],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "UPSTREAM_TLS_FAILED", undefined],
  ])("%s before it stood", (code, failure, closer) => {
    const found = lossOf(Object.assign(new Error("no"), { code }), { reached: false, connected: false });
    expect([found.code, found.closer]).toEqual([failure, closer]);
  });

  test.each([
    ["CERT_HAS_EXPIRED", "tls_certificate_error"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "tls_certificate_error"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls_certificate_error"],
    ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "tls_alert_received"],
    ["ECONNRESET", undefined],
  ])("%s within its handshake", (code, closer) => {
    const found = lossOf(Object.assign(new Error("no"), { code }), { reached: true, connected: false });
    expect([found.code, found.closer]).toEqual(["UPSTREAM_TLS_FAILED", closer]);
  });
});
