/** Secrets in a running host: who gets them, and that nobody else is told, however a filter that knows one misbehaves. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, configOf, type TestHost } from "../support/test-host.ts";
import { type Answer, ok } from "../support/upstream.ts";

const folder = mkdtempSync(join(tmpdir(), "sluice-secrets-"));
const file = join(folder, "key");
const { path } = makeStage();

afterAll(() => {
  rmSync(folder, { recursive: true });
  delete process.env["SLUICE_TEST_SECRET"];
});

const FROM_FILE = "sentinel-of-the-file";
const FROM_ENVIRONMENT = "sentinel-of-the-environment";

const PARTS = {
  secrets: { key: { file }, token: { env: "SLUICE_TEST_SECRET" } },
  routes: [{ filters: ["keys", "tokens"], upstream: "main" }],
};

/** Two filters, each with a secret of its own. */
function filters(keys: readonly object[], tokens: readonly object[]): Record<string, object> {
  const entry = (calls: readonly object[], secret: string): object => ({
    component: component("caller"),
    config: { calls },
    grant: { clock: true, random: true, metrics: true, store: true, "rate-limit": true, secrets: [secret] },
  });
  return { keys: entry(keys, "key"), tokens: entry(tokens, "token") };
}

function put(key: string, token: string): void {
  writeFileSync(file, `${key}\n`);
  process.env["SLUICE_TEST_SECRET"] = token;
}

async function called(host: TestHost): Promise<string[]> {
  await using client = await host.connect();
  const { status, body } = await client.ask(request("/"));
  expect(status).toBe(200);
  return JSON.parse(body.toString()) as string[];
}

/** Answers with what the filters have told. */
const echoCalled: Answer = ({ head }) => ok(JSON.stringify(head.all("x-called")));

test("a secret is read by the filter that it is granted to, and by no other", async () => {
  put(FROM_FILE, FROM_ENVIRONMENT);
  const asked = [{ secret: "key" }, { secret: "token" }];
  const { host } = await path(echoCalled, { ...PARTS, filters: filters(asked, asked) });
  expect(await called(host)).toEqual([`some ${FROM_FILE}`, "none", "none", `some ${FROM_ENVIRONMENT}`]);
});

test("a swap of the filter takes the secret that is there now, and one that is gone is refused", async () => {
  put("before", FROM_ENVIRONMENT);
  const { host } = await path(echoCalled, {
    ...PARTS,
    filters: filters([{ secret: "key" }], [{ secret: "token" }]),
  });
  put("after", "after");
  await host.host.swap("keys", { component: component("caller") });
  expect(await called(host), "the other filter keeps what it has").toEqual([
    "some after",
    `some ${FROM_ENVIRONMENT}`,
  ]);
  rmSync(file);
  await expect(host.host.swap("keys", { component: component("caller") })).rejects.toThrow(
    /^secret key of filter keys: expected a file that can be read, got no such file$/,
  );
  expect(await called(host)).toEqual(["some after", `some ${FROM_ENVIRONMENT}`]);
});

test("a filter that gives its secret away in lines, panics and refusals gives nothing away", async () => {
  put(FROM_FILE, FROM_ENVIRONMENT);
  const { host } = await path(echoCalled, {
    ...PARTS,
    filters: filters([{ betray: "key" }], [{ secret: "token" }]),
  });
  await using client = await host.connect();
  const answer = await client.ask(request("/"));
  expect(answer.status).toBe(500);
  const refused = await host.host
    .swap("tokens", {
      component: component("caller"),
      config: { calls: [], "say-in-configure": "token" },
    })
    .catch((error: unknown) => String(error));
  expect(refused).toMatch(/refuses its config: config\.say-in-configure: \[secret\]$/);
  await host.lines("the failure", ({ msg }) => msg === "filter failed");
  await host.lines("the refusal", ({ msg }) => msg.startsWith("swap refused"));

  const log = readFileSync(join(host.folder, "log"), "utf8");
  expect(log, "the panic's message is not there at all").toContain("the secret is [secret]");
  const { body } = await host.host.metrics();
  const told = {
    log,
    metrics: body,
    status: JSON.stringify(host.host.status()),
    answer: `${JSON.stringify(answer.head)}${answer.body.toString()}`,
    refused,
    config: JSON.stringify(
      configOf(
        { ...PARTS, filters: filters([], []), upstreams: { main: { servers: ["http://a"] } } },
        folder,
      ),
    ),
  };
  for (const [where, text] of Object.entries(told)) expect(text, where).not.toMatch(/sentinel/);
});
