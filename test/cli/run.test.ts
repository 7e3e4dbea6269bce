import { once } from "node:events";
import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { component, RunningHost } from "./running-host.ts";

function hello(_request: unknown, response: ServerResponse): void {
  response.end("hello");
}

/** An upstream that holds its first answer back until it is let go. */
function holding(): {
  answer: (request: unknown, response: ServerResponse) => void;
  asked: Promise<void>;
  letGo: () => void;
} {
  const asked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  return {
    answer: (_request, response) => {
      asked.resolve();
      void released.promise.then(() => response.end("late"));
    },
    asked: asked.promise,
    letGo: () => released.resolve(),
  };
}

test("run serves, says where on standard error, and answers the operator's commands", async () => {
  await using host = await RunningHost.start(hello);

  expect(await (await fetch(`${host.url}/`)).text()).toBe("hello");
  expect(host.lines[0]).toMatchObject({ msg: "serving", admin: `unix:${join(host.folder, "admin.sock")}` });
  const { code, stdout } = await host.command("status", "--json");
  expect(code).toBe(0);
  const status = JSON.parse(stdout);
  expect(status).toMatchObject({ generation: 1, filters: [{ name: "marks", path: "direct" }] });
  expect(`http://${status.listen[0]}`).toBe(host.url);
});

test("swap puts another artifact into service", async () => {
  await using host = await RunningHost.start(hello);
  writeFileSync(join(host.folder, "next.wasm"), component("2"));

  const { code, stdout, stderr } = await host.command("swap", "marks", "next.wasm");

  expect(stderr).toBe("");
  expect(stdout).toMatch(/^marks: [0-9a-f]{12} → [0-9a-f]{12}, generation 2, \d+ ms\n$/);
  expect(code).toBe(0);
  const [, , digest = ""] = stdout.split(/ → |, | /);
  expect((await host.status()).filters[0]?.digest).toMatch(new RegExp(`^${digest}`));
  expect(await (await fetch(`${host.url}/`)).text()).toBe("hello");
});

test("a swap that is refused says why and fails, and the old artifact serves on", async () => {
  await using host = await RunningHost.start(hello);
  const { filters } = await host.status();
  const refuse = async (filter: string, bytes: Buffer, sentence: RegExp): Promise<void> => {
    writeFileSync(join(host.folder, "next.wasm"), bytes);
    const { code, stdout, stderr } = await host.command("swap", filter, "next.wasm");
    expect(stderr).toMatch(sentence);
    expect(stdout).toBe("");
    expect(code).toBe(1);
  };

  await refuse("marks", Buffer.from("not wasm"), /^sluice: \S.*next\.wasm.*\n$/);
  await refuse("marks", component("2").subarray(0, 50_000), /^sluice: \S.*next\.wasm.*\n$/);
  await refuse("none", component("2"), /^sluice: \S.*none.*\n$/);

  expect(await host.status()).toMatchObject({ generation: 1, filters });
  expect(await (await fetch(`${host.url}/`)).text()).toBe("hello");
});

test("a component that is renamed over the present one is swapped in, and a broken one is not", async () => {
  await using host = await RunningHost.start(hello);
  const staged = join(host.folder, "staged");
  const put = (bytes: Buffer): void => {
    writeFileSync(staged, bytes);
    renameSync(staged, join(host.folder, "marks.wasm"));
  };

  put(component("2"));
  expect(await host.line("swapped")).toMatchObject({ filter: "marks", generation: 2 });

  const seen = host.lines.length;
  put(Buffer.from("broken"));
  expect(await host.line("swap refused", seen)).toMatchObject({ filter: "marks" });
  expect(await (await fetch(`${host.url}/`)).text()).toBe("hello");

  put(component("3"));
  expect(await host.line("swapped", seen)).toMatchObject({ filter: "marks", generation: 3 });
  expect(await (await fetch(`${host.url}/`)).text()).toBe("hello");
});

test("SIGTERM lets the exchange in flight end, and then the process ends with 0", async () => {
  const upstream = holding();
  await using host = await RunningHost.start(upstream.answer);
  const answer = fetch(`${host.url}/`).then((response) => response.text());
  await upstream.asked;

  host.signal("SIGTERM");
  await host.line("draining; a second signal ends it at once");
  expect((await host.status()).generation, "the admin API went before the exchanges").toBe(1);
  upstream.letGo();

  expect(await answer).toBe("late");
  expect(await host.end()).toBe(0);
  expect(host.lines.at(-1)).toMatchObject({ msg: "stopped", forced: false });
  expect(existsSync(join(host.folder, "admin.sock"))).toBe(false);
});

test("a second signal breaks what is in flight and ends with 1", async () => {
  const upstream = holding();
  await using host = await RunningHost.start(upstream.answer);
  const answer = fetch(`${host.url}/`).then(
    () => "an answer",
    () => "broken",
  );
  await upstream.asked;

  host.signal("SIGINT");
  await host.line("draining; a second signal ends it at once");
  host.signal("SIGTERM");

  expect(await answer).toBe("broken");
  expect(await host.end()).toBe(1);
  expect(host.lines.at(-1)).toMatchObject({ msg: "stopped", forced: true });
});

test("who reads the log may have stopped: the process ends all the same", async () => {
  await using host = await RunningHost.start(hello);
  host.stopReading();
  // A line of the log has the target: these are more than the pipe and its reader hold.
  const target = "a".repeat(8_000);
  for (let count = 0; count < 150; count++) await (await fetch(`${host.url}/${target}`)).text();

  host.signal("SIGTERM");
  expect(await host.exit()).toBe(0);
});

test.each([
  ["sluice.yaml", "listen: 8080\n", /^sluice\.yaml:\d+:\d+ listen: /m],
  ["marks.wasm", "broken", /^sluice: \S.*marks\.wasm/m],
])("run does not start with a broken %s, says why and ends with 1", async (name, content, sentence) => {
  await using host = await RunningHost.start(hello);
  writeFileSync(join(host.folder, name), content);
  // What was live before would serve again.
  rmSync(join(host.folder, ".sluice", "state"), { recursive: true });

  const { code, stderr } = await host.command("run");

  expect(stderr).toMatch(sentence);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(code).toBe(1);
});

test("run does not start without its admin address, and leaves nothing running", async () => {
  await using host = await RunningHost.start(hello);

  const { code, stderr } = await host.command("run");

  expect(stderr).toMatch(/^sluice: The admin API cannot listen on unix:.*: something else listens there\.$/m);
  expect(code).toBe(1);
  expect((await host.status()).generation, "the first host lost its socket").toBe(1);
});

test("a listen address that is taken is a sentence, too", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  await using host = await RunningHost.start(hello);
  const { port } = taken.address() as AddressInfo;
  const config = JSON.stringify({
    listen: [`127.0.0.1:${port}`],
    admin: false,
    upstreams: { echo: { servers: ["http://127.0.0.1:1"] } },
    routes: [{ match: { path: "/*" }, upstream: "echo" }],
  });
  writeFileSync(join(host.folder, "other.yaml"), config);

  try {
    const { code, stderr } = await host.command("run", "-c", "other.yaml");

    expect(stderr).toMatch(new RegExp(`^sluice: \\S.*${port}`, "m"));
    expect(code).toBe(1);
  } finally {
    taken.close();
  }
});
