/** What an exchange knows of a connection over TLS. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { Forwarding } from "../../host/forwarding.ts";
import type { Client } from "../../host/http1/client.ts";
import { ClientConnection } from "../../host/http1/client-connection.ts";
import { HeadParser } from "../../host/http1/head-parser.ts";
import { HeldHeads } from "../../host/http1/held-heads.ts";
import { Authority } from "../support/certificate.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { within } from "../support/waiting.ts";

const LIMITS = {
  headBytesMax: 4_096,
  targetBytesMax: 1_024,
  bodyBytesMax: 1_024,
  extensionBytesMax: 1_024,
  trailerBytesMax: 1_024,
  headMs: 10_000,
  requestMs: 10_000,
  bodyMs: 10_000,
  idleMs: 10_000,
  writeMs: 10_000,
  halfClosedMs: 10_000,
  lingerMs: 10_000,
};

test.each(["TLSv1.2", "TLSv1.3"] as const)("the scheme is https, and the version %s", async (version) => {
  const authority = await Authority.create();
  const arrived = Promise.withResolvers<Client>();
  const world = {
    scheme: "https" as const,
    parser: new HeadParser({ fieldsMax: 10 }),
    limits: LIMITS,
    heads: new HeldHeads(),
    forwarding: new Forwarding({ mode: "off", trusted: [] }),
    owner: { arrived: arrived.resolve, refused: () => {}, closed: () => {} },
  };
  const server = createServer(
    await authority.issue(["127.0.0.1"]),
    (socket: TLSSocket) => void new ClientConnection(socket, world),
  );
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const options = { ca: authority.cert, maxVersion: version };
  await using client = await RawClient.secure({ host: "127.0.0.1", port }, options);
  client.send(request("/"));
  const { head, connection } = await within("a request", arrived.promise);
  expect([head.scheme, connection.tlsVersion]).toEqual(["https", version]);
  client.destroy();
  server.close();
});
