import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Desk } from "../control/desk.ts";
import { type Outcome, sluice } from "./command.ts";
import { NEW_DIGEST, ScriptedHost, STATUS, withFilter } from "./scripted-host.ts";

let desk: Desk;

beforeEach(() => {
  desk = new Desk();
});

afterEach(() => desk.close());

function status(...words: string[]): Promise<Outcome> {
  return sluice(["status", ...words], { cwd: desk.folder });
}

function writeConfig(name: string, admin: string): void {
  const config = {
    listen: ["127.0.0.1:0"],
    admin: admin === "" ? false : admin,
    upstreams: { api: { servers: ["http://127.0.0.1:9000"] } },
    routes: [{ match: { path: "/*" }, upstream: "api" }],
  };
  // JSON is YAML.
  writeFileSync(join(desk.folder, name), JSON.stringify(config));
}

test("the status is tables that a person reads", async () => {
  await using host = await ScriptedHost.start();

  const { code, stdout, stderr } = await host.run("status");

  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^sluice 0\.1\.0, pid \d+, up 1 min \d+ s, generation 4, made 3 min( \d+ s)? ago by ci\n/,
  );
  expect(stdout.split("\n").slice(1)).toEqual([
    "listens on 127.0.0.1:8080; 2 workers serving",
    "",
    "FILTER  ARTIFACT      PHASES        ON FAILURE  PATH    COMPONENT",
    "keys    000000000000  request, end  closed      direct  /srv/filters/keys.wasm",
    "",
    "ROUTE  FILTERS  UPSTREAM",
    "api    keys     echo",
    "",
    "UPSTREAM  SERVER                 ADDRESS    STATE                 IN FLIGHT  PENDING  CONNECTIONS",
    "echo      http://127.0.0.1:9000  –          healthy               3          0        8",
    "echo      http://echo.test:80    192.0.2.7  healthy 1, ejected 1  0          1        0",
    "",
  ]);
});

test("the status says which filters are quarantined, and which have a trial", async () => {
  await using host = await ScriptedHost.start();
  host.answer(
    "GET /v1/status",
    withFilter({ quarantined: 1, trial: { kind: "canary", component: "/next.wasm", digest: NEW_DIGEST } }),
  );

  const { stdout } = await host.run("status");

  expect(stdout).toContain("\nkeys fails too often: quarantined on 1 of 2 workers\n");
  expect(stdout).toContain("\nkeys has a canary: 111111111111 /next.wasm (sluice trial keys)\n");
});

test("the status tells how routes stand to what is asked of them", async () => {
  await using host = await ScriptedHost.start();
  const since = Date.now() - 3_600_500;
  host.answer("GET /v1/status", {
    ...STATUS,
    routes: [
      {
        ...STATUS.routes[0],
        slo: [
          {
            objective: "availability",
            target: 0.999,
            underMs: null,
            burn: { "5m": 20.4, "1h": 2, "6h": 0.41 },
            budgetLeft: 0.931,
            since,
          },
          {
            objective: "latency",
            target: 0.99,
            underMs: 300,
            burn: { "5m": null, "1h": null, "6h": null },
            budgetLeft: null,
            since,
          },
        ],
      },
    ],
  });

  const lines = (await host.run("status")).stdout.split("\n");

  const head = lines.findIndex((line) => line.includes("OBJECTIVE"));
  expect(lines.slice(head - 1, head + 4)).toEqual([
    "",
    "ROUTE  OBJECTIVE                      BUDGET LEFT  5 MIN  1 H    6 H    SINCE",
    "api    availability: 99.9% available         93 %    20×   2×  0.41×  1 h ago",
    "api    latency: 99% under 300ms                 –      –    –      –  1 h ago",
    "",
  ]);
});

test("the status says that a server is drained, that the file is not what runs, and where the file is wrong", async () => {
  await using host = await ScriptedHost.start();
  const problem = { line: 3, column: 5, path: "routes", sentence: "expected a list, got 7" };
  host.answer("GET /v1/status", {
    ...STATUS,
    upstreams: STATUS.upstreams.map((one) => ({ ...one, drained: ["http://127.0.0.1:9000"] })),
    file: { path: "/etc/s.yaml", differs: true, problems: [problem], refusal: "The filter keys refuses it." },
  });

  const lines = (await host.run("status")).stdout.split("\n");

  expect(lines.slice(2, 5)).toEqual([
    "/etc/s.yaml is not what runs: sluice diff tells how they differ",
    "/etc/s.yaml:3:5 routes: expected a list, got 7",
    "/etc/s.yaml is refused: The filter keys refuses it.",
  ]);
  expect(lines.find((line) => line.startsWith("echo      http://127.0.0.1:9000"))).toMatch(
    /–\s+drained\s+3 /,
  );
});

test("--json is the status as the admin API gives it", async () => {
  await using host = await ScriptedHost.start();

  expect(JSON.parse((await host.run("status", "--json")).stdout)).toEqual(STATUS);
});

test("a socket file is as good as a port", async () => {
  const path = join(desk.folder, "admin.sock");
  await using host = await ScriptedHost.start(path);

  expect((await status("--admin", `unix:${path}`)).code).toBe(0);
  expect((await status("--admin", "unix:admin.sock")).code, "a path may begin in this folder").toBe(0);
  expect(host.questions.length).toBeGreaterThan(0);
});

test("the admin address comes from the configuration file, or from sluice.yaml beside the command", async () => {
  await using host = await ScriptedHost.start();
  writeConfig("other.yaml", host.address);
  expect((await status("-c", "other.yaml")).stdout).toContain("generation 4");

  writeConfig("sluice.yaml", host.address);
  expect((await status()).stdout).toContain("generation 4");
});

test.each([
  ["turned off", "", /^sluice: other\.yaml turns the admin API off/],
  [
    "left to the system",
    "127.0.0.1:0",
    /^sluice: other\.yaml leaves the admin port to the system: .*--admin\.\n$/,
  ],
  [
    "refused",
    "nowhere",
    /^sluice: other\.yaml is refused, .*sluice check -c other\.yaml, or give --admin\.\n$/,
  ],
])("a configuration file in which the admin address is %s is a sentence", async (_what, admin, sentence) => {
  writeConfig("other.yaml", admin);

  const { code, stderr } = await status("-c", "other.yaml");

  expect(stderr).toMatch(sentence);
  expect(code).toBe(1);
});

test("no host at the address is a sentence and code 1", async () => {
  const admin = await desk.start();
  await admin.close();

  expect(await status("--admin", admin.address)).toEqual({
    code: 1,
    stdout: "",
    stderr: `sluice: No host answers at ${admin.address}: it is not running, or its admin address is another one (-c or --admin).\n`,
  });
  expect((await status("--admin", "unix:none.sock")).stderr).toMatch(
    /^sluice: No host answers at unix:.*none\.sock: there is no such socket\.\n$/,
  );
  expect((await status("--admin", "9901")).stderr).toBe(
    'sluice: "9901" is no admin address: it is host:port, [::1]:port or unix:/path.\n',
  );
});

test("a host that fails to answer says so in a sentence", async () => {
  desk.control.failure = new Error("secret");
  const { address } = await desk.start();

  const { code, stderr } = await status("--admin", address);

  expect(stderr).toBe("sluice: The host could not answer; its log says why.\n");
  expect(code).toBe(1);
});

test.each([
  ["a web server", 200, "text/html", "<html>", /gave status 200 and text\/html\.\n$/],
  ["another API", 404, "application/json", '{"error":"no"}', /gave status 404 and application\/json\.\n$/],
  ["broken JSON", 200, "application/json", "{", /gave status 200 and application\/json\.\n$/],
])("%s at the address is not taken for a host", async (_what, code, type, body, sentence) => {
  const server = createServer((_request, response) => {
    response.writeHead(code, { "content-type": type });
    response.end(body);
  });
  await listen(server);

  try {
    const outcome = await status("--admin", `127.0.0.1:${(server.address() as AddressInfo).port}`);

    expect(outcome.stderr).toMatch(
      /^sluice: What answers at .* is not the admin API of Sluice: GET \/v1\/status /,
    );
    expect(outcome.stderr).toMatch(sentence);
    expect(outcome.code).toBe(1);
  } finally {
    server.close();
  }
});

test("a host that closes the connection instead of answering is a sentence", async () => {
  const server = createServer((request) => request.socket.destroy());
  await listen(server);

  try {
    const { stderr } = await status("--admin", `127.0.0.1:${(server.address() as AddressInfo).port}`);

    expect(stderr).toMatch(/^sluice: The host at .* closed the connection before it answered; .*\n$/);
  } finally {
    server.close();
  }
});

test("names from elsewhere cannot write to the terminal", async () => {
  await using host = await ScriptedHost.start();
  host.answer("GET /v1/status", withFilter({ name: "a\u001B[2Jb\u202Ec\nd" }));

  const { stdout } = await host.run("status");

  expect(stdout).toContain("a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}d");
  expect(stdout).not.toContain("\u001B");
});

function listen(server: Server): Promise<unknown> {
  server.listen(0, "127.0.0.1");
  return once(server, "listening");
}
