import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Desk } from "../control/desk.ts";
import { sluice } from "./command.ts";

let desk: Desk;

beforeEach(() => {
  desk = new Desk();
});

afterEach(() => desk.close());

const healthcheck = (...words: string[]) => sluice(["healthcheck", ...words], { cwd: desk.folder });

test("a host that serves is a sentence and code 0, over TCP and a socket file", async () => {
  for (const at of ["127.0.0.1:0", `unix:${join(desk.folder, "admin.sock")}`]) {
    const { address } = await desk.start(at);
    expect(await healthcheck("--admin", address)).toEqual({
      code: 0,
      stdout: `The host at ${address} is ready.\n`,
      stderr: "",
    });
  }
});

test("a host that does not serve yet is live and not ready", async () => {
  desk.control.ready = false;
  const { address } = await desk.start();

  expect((await healthcheck("--admin", address, "--live")).code).toBe(0);
  for (const words of [[], ["--ready"]]) {
    expect(await healthcheck("--admin", address, ...words)).toEqual({
      code: 1,
      stdout: "",
      stderr: `sluice: The host at ${address} is not ready: worker 2 is starting.\n`,
    });
  }
  const { code, stdout } = await healthcheck("--admin", address, "--json");
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toEqual({
    healthy: false,
    reason: `The host at ${address} is not ready: worker 2 is starting.`,
  });
});

test("no host is a sentence and code 1", async () => {
  const admin = await desk.start();
  await admin.close();

  expect(await healthcheck("--admin", admin.address)).toEqual({
    code: 1,
    stdout: "",
    stderr: `sluice: No host answers at ${admin.address}: ECONNREFUSED.\n`,
  });
});

test("what answers 200 and is no host is not healthy", async () => {
  const server = createServer((_request, response) => response.end("<html>")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    expect(await healthcheck("--admin", address)).toEqual({
      code: 1,
      stdout: "",
      stderr: `sluice: What answers at ${address} is not the admin API of Sluice.\n`,
    });
  } finally {
    server.close();
  }
});

test("a host that says nothing is not waited for, and neither is one that says a little for ever", async () => {
  const server = createServer((request, response) => {
    if (request.url !== "/livez") return;
    response.write("l");
    const drip = setInterval(() => response.write("i"), 100);
    response.on("close", () => clearInterval(drip));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    for (const words of [["--ready"], ["--live"]]) {
      const { code, stderr } = await healthcheck("--admin", address, ...words);
      expect(stderr).toMatch(
        /^sluice: The host at \S+ (did not answer within 3 s|broke off its answer)\.\n$/,
      );
      expect(code).toBe(1);
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("it loads nothing that it does not need", async () => {
  const { address } = await desk.start();
  const listing = `
    import { registerHooks } from "node:module";
    registerHooks({ load(url, context, next) { process.stderr.write(url + "\\n"); return next(url, context); } });
  `;

  const { stderr } = await sluice(["healthcheck", "--admin", address], {
    cwd: desk.folder,
    node: ["--import", `data:text/javascript,${encodeURIComponent(listing)}`],
  });

  const loaded = stderr.split("\n");
  expect(loaded.some((url) => url.endsWith("healthcheck.ts"))).toBe(true);
  expect(
    loaded.filter((url) => /node_modules\/(?!commander\/)|host\/(host|config\/load)\.ts$/.test(url)),
  ).toEqual([]);
});
