/** Servers are asked how they are, and the sick ones get no requests. */
import { describe, expect, test } from "vitest";
import { Authority } from "../support/certificate.ts";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { startHost, type TestHost } from "../support/test-host.ts";
import { type Answer, type Arrival, ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { use, connect } = makeStage();

const OFTEN = { path: "/healthz?deep=1", interval: "50ms", healthy: 2, unhealthy: 2 };
const sick: Answer = () => "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";

const isCheck = ({ target }: Arrival): boolean => target.startsWith("/healthz");

async function start(upstreams: readonly Upstream[], options: object = {}): Promise<TestHost> {
  const main = { servers: upstreams.map(({ origin }) => origin), health: OFTEN, ...options };
  return use(await startHost({ upstreams: { main } }));
}

test("a server that falls sick gets no requests, and gets them again when it is well", async () => {
  let isSick = false;
  const upstreams = [
    use(await Upstream.start((arrival) => (isCheck(arrival) && isSick ? sick(arrival) : ok("one")))),
    use(await Upstream.start(() => ok("two"))),
  ];
  const host = await start(upstreams);
  await waitFor("a check of each", () => upstreams.every(({ arrivals }) => arrivals.some(isCheck)));
  isSick = true;
  const [line] = await host.lines("the sickness", ({ msg }) => msg === "server unhealthy");
  expect(line).toMatchObject({ server: upstreams[0]?.origin, detail: "status 503" });
  const client = await connect(host);
  for (let round = 0; round < 6; round++)
    expect((await client.ask(request("/"))).body.toString()).toBe("two");
  isSick = false;
  await host.lines("the recovery", ({ msg }) => msg === "server healthy");
  await waitFor("its next request", async () => (await client.ask(request("/"))).body.toString() === "one");
  const { origin = "" } = upstreams[0] ?? {};
  const labels = `upstream="main",server="${origin}",result="failed"`;
  expect(await host.metric(`sluice_server_health_checks_total{${labels}}`)).toBeGreaterThan(1);
});

describe("a check", () => {
  test("is a GET of the path with the server's Host, on a connection of its own", async () => {
    const upstream = use(await Upstream.start());
    await start([upstream]);
    const [first, second] = [await upstream.arrived(1), await upstream.arrived(2)];
    expect(first.head.startLine).toBe("GET /healthz?deep=1 HTTP/1.1");
    expect(first.head.one("host")).toBe(upstream.origin.slice("http://".length));
    expect([first.connection, second.connection]).toEqual([1, 2]);
  });

  test("has the Host that `health.host` names", async () => {
    const upstream = use(await Upstream.start());
    await start([upstream], { health: { ...OFTEN, host: "api.internal:81" } });
    expect((await upstream.arrived(1)).head.one("host")).toBe("api.internal:81");
  });

  test.each([
    ["no connection", "gone"],
    ["no answer within `health.timeout`", () => undefined],
    ["a status that `health.status` does not name", () => "HTTP/1.1 204 No Content\r\n\r\n"],
  ])("that comes to %s is a bad one, and the first one counts alone", async (_, answer) => {
    const one = await Upstream.start(typeof answer === "string" ? undefined : answer);
    const two = use(await Upstream.start());
    const servers = [one, two];
    const health = { ...OFTEN, timeout: "50ms", status: [200, "301-302"], unhealthy: 100 };
    const main = { servers: servers.map(({ origin }) => origin), health };
    if (typeof answer === "string") await one[Symbol.asyncDispose]();
    else use(one);
    const host = use(await startHost({ upstreams: { main } }));
    const [line] = await host.lines("the bad check", ({ msg }) => msg === "server unhealthy");
    expect(line?.["server"]).toBe(main.servers[0]);
  });

  test("goes over the TLS of the requests, and its authority is verified", async () => {
    const authority = await Authority.create();
    const trusted = use(await Upstream.start(() => ok(""), await authority.issue(["127.0.0.1"])));
    const other = await (await Authority.create("other")).issue(["127.0.0.1"]);
    const untrusted = use(await Upstream.start(() => ok(""), other));
    const folder = mkdtempSync(join(tmpdir(), "sluice-health-"));
    use({ [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true }) });
    writeFileSync(join(folder, "ca.pem"), authority.cert);
    const host = await start([trusted, untrusted], { tls: { ca: join(folder, "ca.pem") } });
    const [line] = await host.lines("the bad check", ({ msg }) => msg === "server unhealthy");
    expect(line).toMatchObject({
      server: untrusted.origin,
      detail: expect.stringMatching(/^UPSTREAM_TLS_FAILED/),
    });
    await trusted.arrived(3);
    expect(host.log().filter(({ msg }) => msg === "server unhealthy").length).toBe(1);
  });

  test("takes no connection away from requests", async () => {
    const upstream = use(await Upstream.start((arrival) => (isCheck(arrival) ? ok("") : undefined)));
    const host = await start([upstream], { limits: { connections: 1 } });
    const client = await connect(host);
    client.send(request("/hangs"));
    await waitFor("the request", () => upstream.arrivals.some((arrival) => !isCheck(arrival)));
    const checks = upstream.arrivals.length;
    expect(isCheck(await upstream.arrived(checks + 2))).toBe(true);
  });
});
