import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { waitFor } from "../support/waiting.ts";
import { curl, npxSluice, RunningQuickstart } from "./running-quickstart.ts";

/** A start waits for cargo, which may have other things to do. */
const SLOW = { timeout: 150_000 };

test(
  "the printed commands show what they promise: 401, 200 with both filters' work, a swap",
  SLOW,
  async () => {
    await using quickstart = await RunningQuickstart.serving();
    const [withoutKey = [], withKey = [], swap = [], swapByCommand = [], ...others] = quickstart.commands;
    expect(others).toEqual([]);

    const refused = await curl(withoutKey);
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toContain('header="x-api-key"');

    const served = await curl(withKey);
    expect(served.status).toBe(200);
    expect(served.headers.get("x-greeting")).toBe("hello");
    const seen = (await served.json()) as { method: string; path: string; headers: Record<string, string> };
    expect(seen).toMatchObject({
      method: "GET",
      path: "/hello",
      headers: { "x-api-key-name": "alice", "x-was-asked": "GET /hello" },
    });
    expect(seen.headers["x-api-key"], "the upstream saw the key").toBeUndefined();

    const swapped = await curl(swap);
    expect(swapped.status, await swapped.text()).toBe(200);
    expect((await curl(withKey)).headers.get("x-greeting")).toBe("hello again");

    const { stdout } = await npxSluice(swapByCommand);
    expect(stdout).toMatch(/^headers: .* with a new config, generation 3, \d+ ms\n$/);
    expect((await curl(withKey)).headers.get("x-greeting")).toBe("hello from here");
  },
);

test("no request fails while the swap is going on", SLOW, async () => {
  await using quickstart = await RunningQuickstart.serving();
  const [, withKey = [], swap = []] = quickstart.commands;
  const greetings = new Map<string, number>();
  const done = new AbortController();
  const clients = Array.from({ length: 4 }, async () => {
    while (!done.signal.aborted) {
      const response = await curl(withKey);
      await response.text();
      const greeting = `${response.status} ${response.headers.get("x-greeting")}`;
      greetings.set(greeting, (greetings.get(greeting) ?? 0) + 1);
    }
  });

  await waitFor("a request before the swap", () => greetings.has("200 hello"));
  expect((await curl(swap)).status).toBe(200);
  await waitFor("a request after the swap", () => greetings.has("200 hello again"));
  done.abort();
  await Promise.all(clients);

  expect([...greetings.keys()].sort()).toEqual(["200 hello", "200 hello again"]);
});

test("Ctrl-C lets it end by itself, with code 0", SLOW, async () => {
  await using quickstart = await RunningQuickstart.serving();

  quickstart.signal("SIGINT");

  expect(await quickstart.end(), quickstart.output).toBe(0);
  expect(quickstart.output).toContain("\nDraining: ");
});

test.each(["--port", "--admin-port"])(
  "a port in use for %s is one sentence, before anything is built",
  async (option) => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    try {
      await using quickstart = new RunningQuickstart(
        "--port",
        "0",
        "--admin-port",
        "0",
        option,
        String(port),
      );

      expect(await quickstart.end()).toBe(1);
      expect(quickstart.output).toBe(
        `\nPort ${port} on 127.0.0.1 cannot be used: another program listens there. ` +
          `End it, or choose another port: npm start -- ${option} ${port + 1}\n`,
      );
    } finally {
      other.close();
    }
  },
);
