/** Certificates whose files change while connections stand. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Authority, type Issued, writePair } from "../support/certificate.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { component, type ConfigParts, startProxy, type TestHost } from "../support/test-host.ts";
import { Upstream } from "../support/upstream.ts";
import { waitFor, within } from "../support/waiting.ts";

let folder: string;
let authority: Authority;
let stack = new AsyncDisposableStack();

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-tls-"));
  authority = await Authority.create();
});

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
  rmSync(folder, { recursive: true });
});

async function proxy(
  certificates: readonly Issued[],
  parts: ConfigParts = {},
  tls: object = {},
): Promise<TestHost> {
  const upstream = stack.use(await Upstream.start());
  const listen = [{ address: "127.0.0.1:0", tls: { certificates, ...tls } }];
  return stack.use(await startProxy(upstream, { listen, workers: 2, ...parts }));
}

async function connect(host: TestHost, session?: Buffer): Promise<RawClient> {
  const options = { ca: authority.cert, servername: "a.test", ...(session === undefined ? {} : { session }) };
  return stack.use(await RawClient.secure(host.address, options));
}

function serial(client: RawClient): string {
  return (client.wire.socket as TLSSocket).getPeerCertificate().serialNumber;
}

/** Every worker has the new certificates, for so many times. */
async function renewed(host: TestHost, count: number): Promise<void> {
  await host.lines("the renewal", ({ msg }) => msg === "certificates renewed", count);
}

test("new connections get the new certificate, those that stand go on", async () => {
  const files = writePair(folder, "a", await authority.issue(["a.test"]));
  const host = await proxy([files]);
  const before = await connect(host);
  expect((await before.ask(request("/"))).status).toBe(200);

  writePair(folder, "a", await authority.issue(["a.test"]));
  await renewed(host, 1);
  // Connections come to both workers.
  for (let round = 0; round < 10; round++) expect(serial(await connect(host))).not.toBe(serial(before));
  expect((await before.ask(request("/"))).status).toBe(200);
});

test("a folder that is changed as one, by a link, is one renewal", async () => {
  const [first, second] = [join(folder, "v1"), join(folder, "v2")];
  mkdirSync(first);
  mkdirSync(second);
  writePair(first, "a", await authority.issue(["a.test"]));
  writePair(second, "a", await authority.issue(["a.test"]));
  const live = join(folder, "live");
  symlinkSync(first, live);
  const host = await proxy([{ cert: join(live, "a.pem"), key: join(live, "a.key") }]);
  const before = serial(await connect(host));
  symlinkSync(second, `${live}.next`);
  renameSync(`${live}.next`, live);
  await renewed(host, 1);
  expect(serial(await connect(host))).not.toBe(before);
  expect(host.log().filter(({ msg }) => msg.includes("stay as they were"))).toEqual([]);
});

test.each([
  ["a key of another certificate", "key", "expected the key of"],
  ["a certificate that is none", "cert", "expected a certificate in PEM, got none"],
  ["a damaged certificate", "damaged", "expected a certificate in PEM, got one that is damaged"],
] as const)("%s is refused with a sentence, and what there was stays", async (_, what, sentence) => {
  const files = writePair(folder, "a", await authority.issue(["a.test"]));
  const host = await proxy([files]);
  const before = serial(await connect(host));

  if (what === "key") writeFileSync(files.key, (await authority.issue(["a.test"])).key);
  else if (what === "cert") writeFileSync(files.cert, "no certificate");
  else writeFileSync(files.cert, readFileSync(files.cert, "utf8").replace(/^M.{20}/m, "A".repeat(21)));
  const lines = await host.lines("the refusal", ({ msg }) =>
    msg.startsWith("certificates stay as they were"),
  );
  expect(lines[0]?.msg).toContain(sentence);
  expect(lines[0]?.msg).toContain(folder);
  const after = await connect(host);
  expect([serial(after), (await after.ask(request("/"))).status]).toEqual([before, 200]);

  // Whoever repairs it need not start the host again.
  writePair(folder, "a", await authority.issue(["a.test"]));
  await renewed(host, 1);
  expect(serial(await connect(host))).not.toBe(before);
});

test("what a handshake demands of clients is the same afterwards", async () => {
  const files = writePair(folder, "a", await authority.issue(["a.test"]));
  const ca = join(folder, "clients.pem");
  const clients = await Authority.create("clients");
  writeFileSync(ca, clients.cert);
  const host = await proxy([files], {}, { "client-ca": ca, "min-version": "TLSv1.3" });
  writePair(folder, "a", await authority.issue(["a.test"]));
  await renewed(host, 1);

  const known = { ca: authority.cert, servername: "a.test", ...(await clients.issue(["client.test"])) };
  await using client = await RawClient.secure(host.address, known);
  expect((await client.ask(request("/"))).status).toBe(200);
  const refused = [{ ALPNProtocols: ["h2"] }, { maxVersion: "TLSv1.2" } as const];
  for (const options of refused)
    await expect(RawClient.secure(host.address, { ...known, ...options })).rejects.toThrow(/alert/);
  await using stranger = await connect(host);
  stranger.send(request("/"));
  await within("the end of the connection", stranger.wire.closed);
  expect(stranger.wire.received).toBe(0);
});

test("a ticket does not outlive the certificate that it was given with", async () => {
  const files = writePair(folder, "a", await authority.issue(["a.test"]));
  const host = await proxy([files]);
  const client = await connect(host);
  const given = new Promise<Buffer>((resolve) => client.wire.socket.once("session", resolve));
  await client.ask(request("/"));
  const session = await within("a session", given);

  writePair(folder, "a", await authority.issue(["a.test"]));
  await renewed(host, 1);
  const again = await connect(host, session);
  expect((again.wire.socket as TLSSocket).isSessionReused()).toBe(false);
  expect((await again.ask(request("/"))).status).toBe(200);
});

test("a worker that takes a lost one's place has the present certificates", async () => {
  const files = writePair(folder, "a", await authority.issue(["a.test"]));
  const host = await proxy([files], {
    workers: 1,
    filters: { trap: { component: component("trap"), limits: { fuel: 2_000_000_000 } } },
    routes: [{ filters: ["trap"], upstream: "main" }],
  });
  const client = await connect(host);
  const before = serial(client);
  writePair(folder, "a", await authority.issue(["a.test"]));
  await renewed(host, 1);
  client.send(request("/stall"));
  await waitFor("the next worker", () => host.host.status().workers.some(({ id }) => id > 1));
  const after = await waitFor("its first connection", () => connect(host).catch(() => undefined));
  expect(serial(after)).not.toBe(before);
});

test("keys are in no log line, no status and no metric", async () => {
  const issued = await authority.issue(["a.test"]);
  const files = writePair(folder, "a", issued);
  const host = await proxy([files]);
  const client = await connect(host);
  await client.ask(request("/"));
  writeFileSync(files.cert, "no certificate");
  await waitFor("the refusal", () => host.log().some(({ msg }) => msg.includes("stay as they were")));
  const secret = issued.key.split("\n")[1]?.slice(0, 40) ?? "";
  expect(secret.length).toBe(40);
  const told = [
    readFileSync(join(host.folder, "log"), "utf8"),
    JSON.stringify(host.host.status()),
    (await host.host.metrics()).body,
  ];
  for (const text of told) {
    expect(text).not.toContain(secret);
    expect(text).not.toContain("PRIVATE KEY");
  }
});
