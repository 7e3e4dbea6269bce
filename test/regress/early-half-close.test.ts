/** A request whose client closed its side before the upstream's connection stood was taken for one that broke off. */
import { expect, test } from "vitest";
import { type RawClient, request } from "../support/raw-client.ts";
import { startHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { BrokenOff } from "../support/wire.ts";

const BODIES = {
  "a body with its length": request("/half", [], "POST", "whole"),
  "a chunked body": `${request("/half", ["Transfer-Encoding: chunked"], "POST")}5\r\nwhole\r\n0\r\n\r\n`,
} as const;

/** A host whose upstream is busy until `release`, and a client that has sent this and closed its side. */
async function halfClosed(bytes: string): Promise<Waiting> {
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(
    await Upstream.start(async ({ target }) => {
      if (target === "/first") await held;
      return ok("well");
    }),
  );
  const host = stack.use(
    await startHost({
      upstreams: { main: { servers: [upstream.origin], limits: { connections: 1 } } },
      timeouts: { "client-half-closed": "30s" },
    }),
  );
  const first = stack.use(await host.connect());
  first.send(request("/first"));
  await upstream.arrived(1);
  const client = stack.use(await host.connect());
  client.wire.socket.end(Buffer.from(bytes, "latin1"));
  // The worker has heard the end of the one when it has answered another again.
  const other = stack.use(await host.connect());
  for (let turn = 0; turn < 3; turn++) await other.ask(request("*", ["Max-Forwards: 0"], "OPTIONS"));
  return { upstream, client, release, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

interface Waiting extends AsyncDisposable {
  readonly upstream: Upstream;
  readonly client: RawClient;
  readonly release: () => void;
}

for (const [name, bytes] of Object.entries(BODIES)) {
  test(`a client that has sent ${name} and closes its side while its request waits is answered`, async () => {
    await using waiting = await halfClosed(bytes);
    const { client, upstream, release } = waiting;
    release();
    const { head, body } = await client.response("POST");
    expect([body.toString(), head.one("connection")]).toEqual(["well", "close"]);
    expect(await client.close()).toBe("");
    expect((await (await upstream.arrived(2)).body()).body.toString()).toBe("whole");
  });
}

test("a request that was sent behind the body is answered, too", async () => {
  await using waiting = await halfClosed(`${BODIES["a chunked body"]}${request("/later")}`);
  const { client, release } = waiting;
  release();
  expect((await client.response("POST")).body.toString()).toBe("well");
  const { head, body } = await client.response();
  expect([body.toString(), head.one("connection")]).toEqual(["well", "close"]);
});

test("a body of which a part is missing never becomes whole, and its client is not waited for", async () => {
  await using waiting = await halfClosed(`${request("/half", ["Content-Length: 6"], "POST")}whole`);
  const { client, upstream, release } = waiting;
  release();
  // timeouts.client-half-closed is longer than what this waits for.
  expect(await client.close()).toBe("");
  await expect((await upstream.arrived(2)).body()).rejects.toBeInstanceOf(BrokenOff);
});
