/** What a server over TLS had sent with its head before it closed was lost while a filter was at the head. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Authority, type Issued } from "../support/certificate.ts";
import { type RawResponse, request } from "../support/raw-client.ts";
import { component, startHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { BrokenOff } from "../support/wire.ts";

let folder: string;
let ca: string;
let issued: Issued;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-tls-"));
  const authority = await Authority.create();
  ca = join(folder, "ca.pem");
  writeFileSync(ca, authority.cert);
  issued = await authority.issue(["127.0.0.1"]);
});

afterAll(() => rmSync(folder, { recursive: true }));

/** How a response ends that is the last one of its connection. */
const ENDS = {
  "with its length": "Content-Length: 5\r\nConnection: close\r\n\r\nwhole",
  "in chunks": "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
  "up to the end of the connection": "\r\nwhole",
} as const;

describe.each([
  ["in the clear", false],
  ["over TLS", true],
] as const)("%s a server that closes while a filter is at the head of its response", (_, secure) => {
  test.each(Object.entries(ENDS))("has sent it %s", async (_how, rest) => {
    const { status, body } = await held(`HTTP/1.1 200 OK\r\n${rest}`, secure);
    expect([status, body.toString()]).toEqual([200, "whole"]);
  });

  test("and has not sent all of it, has broken off", async () => {
    const answer = held("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nwhole", secure);
    await expect(answer).rejects.toBeInstanceOf(BrokenOff);
  });
});

/** What a client gets when a server sends this and closes, and a filter keeps the head until that is heard. */
async function held(response: string, secure: boolean): Promise<RawResponse> {
  await using upstream = await Upstream.start(
    ({ socket }) => void socket.end(response),
    secure ? issued : undefined,
  );
  const { promise: goes, resolve: release } = Promise.withResolvers<void>();
  await using service = await Upstream.start(async () => {
    await goes;
    return ok("ok");
  });
  const asks = {
    component: component("asks"),
    config: { upstream: "service", path: "/", phases: ["response"] },
    grant: { http: ["service"] },
  };
  await using host = await startHost({
    upstreams: {
      main: { servers: [upstream.origin], ...(secure && { tls: { ca } }) },
      service: { servers: [service.origin] },
    },
    filters: { asks },
    routes: [{ upstream: "main", filters: ["asks"] }],
  });
  await using client = await host.connect();
  client.send(request("/"));
  await service.arrived(1);
  // The worker has heard the end of the one connection when it has served others again and again.
  for (let turn = 0; turn < 3; turn++) {
    await using other = await host.connect();
    await other.ask("no request\r\n\r\n");
  }
  release();
  return await client.response();
}
