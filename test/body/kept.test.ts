/** Parts of bodies that wait within the host, while their connection and others are read further. */
import { expect, test } from "vitest";
import { component } from "../support/test-host.ts";
import { request } from "../support/raw-client.ts";
import { startHost } from "../support/test-host.ts";
import { Upstream } from "../support/upstream.ts";

const TAKEN = {
  held: { take: "stream", act: "hold" },
  gathered: { take: { whole: 1_048_576 }, act: "pass" },
} as const;

/** So many bytes of a letter: pieces below and above what is copied in passing. */
const PIECES = [100, 3_000, 17_000, 40_000, 5, 64_000, 900, 20_000];

test.each(Object.keys(TAKEN) as (keyof typeof TAKEN)[])("a body that is %s stays as it came", async (way) => {
  const body = (first: number): Buffer =>
    Buffer.concat(PIECES.map((size, at) => Buffer.alloc(size, "abcdefghijklmnop"[first + at])));
  await using upstream = await Upstream.start(async ({ socket, target }) => {
    const bytes = body(Number(target.slice(1)));
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes.length}\r\n\r\n`);
    let from = 0;
    for (const size of PIECES) {
      socket.write(bytes.subarray(from, from + size));
      from += size;
      // Each piece is a read of its own, between those of the other connections.
      await new Promise(setImmediate);
    }
  });
  await using host = await startHost({
    upstreams: { main: { servers: [upstream.origin] } },
    filters: { bodies: { component: component("bodies"), config: { response: TAKEN[way] } } },
    routes: [{ upstream: "main", filters: ["bodies"] }],
  });
  const ask = async (first: number): Promise<void> => {
    await using client = await host.connect();
    const response = await client.ask(request(`/${first}`));
    expect(response.body.equals(body(first)), `body ${first} as it was sent`).toBe(true);
  };
  for (let round = 0; round < 3; round++) await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(ask));
});
