/** Servers that fail get no requests for a while, as long as enough are left. */
import { describe, expect, test } from "vitest";
import { type RawClient, request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { startHost, type TestHost } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

const { use, connect } = makeStage();

const QUICK = { consecutive: 3, base: "50ms", max: "50ms" };
const FOR_LONG = { consecutive: 3, base: "1h", max: "1h" };

/** One server for each answer, in turn. */
async function group(
  answers: readonly Answer[],
  options: object,
): Promise<{ upstreams: Upstream[]; host: TestHost; client: RawClient }> {
  const upstreams: Upstream[] = [];
  for (const answer of answers) upstreams.push(use(await Upstream.start(answer)));
  const main = { servers: upstreams.map(({ origin }) => origin), balance: "round-robin", ...options };
  const host = use(await startHost({ upstreams: { main } }));
  return { upstreams, host, client: await connect(host) };
}

async function statuses(client: RawClient, count: number, method = "GET"): Promise<number[]> {
  const found: number[] = [];
  for (let round = 0; round < count; round++) found.push((await client.ask(request("/", [], method))).status);
  return found;
}

const broken: Answer = ({ socket }) => void socket.destroy();
const failing: Answer = () => "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
const malformed: Answer = () => "nonsense\r\n\r\n";
const silent: Answer = () => undefined;

describe("a server is ejected", () => {
  test.each([
    ["breaks connections off", broken, {}],
    ["speaks no HTTP", malformed, {}],
    ["does not answer in time", silent, { timeouts: { head: "50ms" } }],
    ["answers with a status that `ejection.on` names", failing, { ejection: { ...FOR_LONG, on: [503] } }],
  ])("that %s, so often in a row", async (_, answer, options) => {
    const { upstreams, host, client } = await group([answer, () => ok("")], {
      ejection: FOR_LONG,
      retries: { attempts: 0 },
      ...options,
    });
    const found = await statuses(client, 12, "POST");
    expect(found.filter((status) => status !== 200).length, found.join()).toBe(3);
    expect(upstreams[0]?.arrivals.length).toBe(3);
    const [line] = await host.lines("the ejection", ({ msg }) => msg === "server ejected");
    expect(line).toMatchObject({ upstream: "main", server: upstreams[0]?.origin, detail: "for 3600000 ms" });
    const labels = `upstream="main",server="${upstreams[0]?.origin}"`;
    expect(await host.metric(`sluice_server_ejections_total{${labels}}`)).toBe(1);
    expect(await host.metric(`sluice_server_addresses{${labels},state="ejected"}`)).toBe(1);
  });

  test("that refuses connections, and comes back when its time is over", async () => {
    const { upstreams, host, client } = await group([() => ok("one"), () => ok("two")], {
      ejection: QUICK,
      retries: { attempts: 0 },
    });
    const [one] = upstreams as [Upstream];
    const { port } = one;
    await one[Symbol.asyncDispose]();
    const found = await statuses(client, 6);
    expect(found.filter((status) => status === 502).length).toBeGreaterThan(0);
    await host.lines("the ejection", ({ msg }) => msg === "server ejected");
    await one.listen(port);
    await host.lines("the return", ({ msg }) => msg === "server back from its ejection");
    await waitFor("its next request", async () => (await client.ask(request("/"))).body.toString() === "one");
  });

  test("and a try again goes to it all the same when the only other one has failed", async () => {
    let isDown = false;
    const { client } = await group(
      [
        (arrival) => (arrival.target === "/down" ? broken(arrival) : ok("one")),
        (arrival) => (isDown ? failing(arrival) : ok("two")),
      ],
      { ejection: FOR_LONG, retries: { on: [503] } },
    );
    for (let round = 0; round < 6; round++) await client.ask(request("/down", [], "POST"));
    isDown = true;
    const answers = [];
    for (let round = 0; round < 4; round++) answers.push((await client.ask(request("/"))).body.toString());
    expect(answers).toEqual(["one", "one", "one", "one"]);
  });
});

describe("a server is not ejected", () => {
  test.each([
    ["by a status that `ejection.on` does not name", failing, { ejection: FOR_LONG }],
    ["when `max-share` is 0%", broken, { ejection: { ...FOR_LONG, "max-share": "0%" } }],
    [
      "when `max-share` has no room for it: one of three is more than 30%",
      broken,
      { ejection: { ...FOR_LONG, "max-share": "30%" }, third: true },
    ],
  ] as [string, Answer, { ejection: object; third?: boolean }][])(
    "%s",
    async (_, answer, { third, ...options }) => {
      const answers = [answer, () => ok(""), ...(third === true ? [() => ok("")] : [])];
      const { upstreams, client } = await group(answers, { retries: { attempts: 0 }, ...options });
      await statuses(client, 6 * answers.length, "POST");
      expect(upstreams.map(({ arrivals }) => arrivals.length)).toEqual(answers.map(() => 6));
    },
  );

  test("when it is the only one", async () => {
    const { upstreams, client } = await group([broken], { ejection: FOR_LONG, retries: { attempts: 0 } });
    await statuses(client, 6, "POST");
    expect(upstreams[0]?.arrivals.length).toBe(6);
  });
});

test("when too few are left all are used again: three of four are out, and `panic` is 30%", async () => {
  const { upstreams, host, client } = await group([broken, broken, broken, () => ok("")], {
    ejection: { ...FOR_LONG, "max-share": "100%" },
    retries: { attempts: 0 },
  });
  await waitFor("the panic", async () => {
    await statuses(client, 4, "POST");
    return host.log().some(({ msg }) => msg === "too few servers are well: all are used");
  });
  const before = upstreams.map(({ arrivals }) => arrivals.length);
  await statuses(client, 8, "POST");
  expect(upstreams.map(({ arrivals }, at) => arrivals.length - (before[at] ?? 0))).toEqual([2, 2, 2, 2]);
});
