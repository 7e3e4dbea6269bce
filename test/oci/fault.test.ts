/** Registries that are down, slow, broken or dishonest: each has a sentence of its own, with the reference in it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline, Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Authority } from "../support/certificate.ts";
import { within } from "../support/waiting.ts";
import { refusal, spokenWith, TestRegistries } from "./registries.ts";
import { COMPONENT, digestOf, putArtifact, ScriptedRegistry } from "./scripted-registry.ts";

let registry: ScriptedRegistry;
let registries: TestRegistries;
let reference: string;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-oci-"));
  registry = await ScriptedRegistry.start();
  registries = new TestRegistries();
  reference = `oci://${registry.host}/f:1`;
});

afterEach(async () => {
  await registries.close();
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Answers requests whose path has this in it. */
function answering(part: string, answer: (response: ServerResponse) => void): void {
  registry.script = (request, response) => {
    if (request.url?.includes(part) !== true) return false;
    answer(response);
    return true;
  };
}

function unreadable(clause: string): string {
  return `${reference} cannot be read: ${registry.host} ${clause}`;
}

test.each<[what: string, answer: (response: ServerResponse) => void, clause: string]>([
  ["answers 404", (response) => response.writeHead(404).end(), "has no such artifact"],
  ["answers 403", (response) => response.writeHead(403).end(), "does not allow it (status 403)"],
  ["answers something else", (response) => response.writeHead(418).end(), "answers with status 418"],
  [
    "answers 401 and does not say what it wants",
    (response) => response.writeHead(401).end(),
    "asks for an authorization of a kind that is not known here",
  ],
  [
    "answers with a page for people",
    (response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>Welcome</html>"),
    "gives something else for a manifest",
  ],
  [
    "answers with JSON that is no manifest",
    (response) => response.writeHead(200, { "content-type": MANIFEST }).end('{"schemaVersion":2}'),
    "gives something else for a manifest",
  ],
  [
    "answers null",
    (response) => response.writeHead(200, { "content-type": MANIFEST }).end("null"),
    "gives something else for a manifest",
  ],
  [
    "answers with another manifest than it says",
    (response) =>
      response
        .writeHead(200, { "content-type": MANIFEST, "docker-content-digest": digestOf("other") })
        .end("{}"),
    `gives a manifest with the digest ${digestOf("{}")} for ${digestOf("other")}`,
  ],
  [
    "answers with a manifest without end",
    (response) => flood(response.writeHead(200, { "content-type": MANIFEST })),
    "sends more than the 4194304 bytes that there may be of it",
  ],
  [
    "closes the connection",
    (response) => response.socket?.destroy(),
    "has closed the connection before its answer was complete",
  ],
  [
    "closes the connection within the answer",
    (response) => {
      response.writeHead(200, { "content-length": 100 }).write("{", () => response.socket?.destroy());
    },
    "has closed the connection before its answer was complete",
  ],
  [
    "does not speak HTTP",
    (response) => response.socket?.end("SSH-2.0-OpenSSH_9.2\r\n"),
    "does not speak HTTP as expected (HTTPParserError)",
  ],
  ["redirects to nowhere", (response) => response.writeHead(302).end(), "redirects to nowhere"],
  [
    "redirects to a file",
    (response) => response.writeHead(302, { location: "file:///etc/passwd" }).end(),
    "redirects to what is no URL of HTTP",
  ],
])("a registry that %s", async (_, answer, clause) => {
  answering("/manifests/1", answer);

  expect(await refusal(within("an answer", registries.resolve(reference)))).toBe(unreadable(clause));
});

test("a pinned manifest has to have the digest that was asked for", async () => {
  const { digest } = putArtifact(registry);
  const pinned = `oci://${registry.host}/f@${digest}`;
  answering(digest, (response) => response.writeHead(200, { "content-type": MANIFEST }).end("{}"));

  expect(await refusal(registries.resolve(pinned))).toBe(
    `${pinned} cannot be read: ${registry.host} gives a manifest with the digest ${digestOf("{}")} for ${digest}`,
  );
});

describe("a component", () => {
  const blob = digestOf(COMPONENT);

  test.each<[what: string, answer: (response: ServerResponse) => void, clause: string]>([
    [
      "of the right length and other bytes",
      (response) => response.end(Buffer.alloc(COMPONENT.length)),
      `gives bytes with the digest ${digestOf(Buffer.alloc(COMPONENT.length))} for ${blob}`,
    ],
    [
      "that ends too early",
      (response) => response.end(COMPONENT.subarray(1)),
      `has sent ${COMPONENT.length - 1} of the ${COMPONENT.length} bytes of ${blob}`,
    ],
    [
      "whose connection breaks",
      (response) => {
        response.writeHead(200, { "content-length": COMPONENT.length });
        response.write(COMPONENT.subarray(1), () => response.socket?.destroy());
      },
      "has closed the connection before its answer was complete",
    ],
    [
      "that does not end",
      (response) => flood(response.writeHead(200)),
      `sends more than the ${COMPONENT.length} bytes that there may be of it`,
    ],
    [
      "that announces another length",
      (response) => response.writeHead(200, { "content-length": 1_000_000 }).flushHeaders(),
      `sends more than the ${COMPONENT.length} bytes that there may be of it`,
    ],
    ["that is gone", (response) => response.writeHead(404).end(), `has no such blob ${blob}`],
  ])("%s", async (_, answer, clause) => {
    putArtifact(registry);
    answering(blob, answer);
    const artifact = await registries.resolve(reference);

    expect(await refusal(within("an answer", artifact.fetch()))).toBe(
      `${reference} cannot be fetched: ${registry.host} ${clause}`,
    );
  });

  test("that comes a byte at a time is given up when the time is over", async () => {
    await using hasty = new TestRegistries({ timeoutMs: 200 });
    putArtifact(registry);
    answering(blob, (response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write("."), 50);
      response.on("close", () => clearInterval(drip));
    });
    const artifact = await hasty.resolve(reference);

    expect(await refusal(within("an answer", artifact.fetch()))).toBe(
      `${reference} cannot be fetched: ${registry.host} has not answered in full within 200 ms`,
    );
  });
});

test("a registry that says nothing is given up when the time is over", async () => {
  await using hasty = new TestRegistries({ timeoutMs: 100 });
  answering("/manifests/1", () => undefined);

  expect(await refusal(within("an answer", hasty.resolve(reference)))).toBe(
    unreadable("has not answered in full within 100 ms"),
  );
});

test("whoever waits for a registry is told when the host stops", async () => {
  const arrived = Promise.withResolvers<void>();
  answering("/manifests/1", () => arrived.resolve());
  const waiting = refusal(registries.resolve(reference));
  await within("the request", arrived.promise);

  await registries.close();

  expect(await within("an answer", waiting)).toBe(
    `${reference} cannot be read: the host stops, and has given up on ${registry.host}`,
  );
});

describe("trying again", () => {
  test("helps with a registry that is busy for a moment", async () => {
    putArtifact(registry);
    const statuses = [429, 503];
    registry.script = (_, response) => {
      const status = statuses.shift();
      if (status === undefined) return false;
      response.writeHead(status, { "retry-after": "0" }).end("busy");
      return true;
    };

    expect((await registries.resolve(reference)).bytes).toBe(COMPONENT.length);
    expect(registry.requests.filter((line) => line === "GET /v2/f/manifests/1")).toHaveLength(3);
  });

  test("ends after three times, and at once when the registry asks for a long pause", async () => {
    answering("/manifests/1", (response) => response.writeHead(503, { "retry-after": "0" }).end());
    expect(await refusal(registries.resolve(reference))).toBe(unreadable("answers with status 503"));
    expect(registry.requests).toHaveLength(3);

    answering("/manifests/1", (response) => response.writeHead(429, { "retry-after": "3600" }).end());
    expect(await refusal(within("an answer", registries.resolve(reference)))).toBe(
      unreadable("has been asked too often (status 429)"),
    );
    expect(registry.requests).toHaveLength(4);
  });

  test("is for reading only", async () => {
    registry.script = (request, response) => {
      if (request.method !== "POST") return false;
      response.writeHead(503, { "retry-after": "0" }).end();
      return true;
    };
    const what = {
      component: COMPONENT,
      world: { imports: [], exports: [] },
      signatures: [],
      createdAt: undefined,
    };

    expect(await refusal(registries.push(reference, what))).toBe(
      `${reference} cannot be pushed: ${registry.host} answers with status 503`,
    );
    expect(registry.requests.filter((line) => line.startsWith("POST"))).toHaveLength(1);
  });
});

describe("redirects", () => {
  test("of bytes to another host are followed, without the credentials", async () => {
    await using other = await ScriptedRegistry.start();
    const credentials = join(folder, "config.json");
    writeFileSync(
      credentials,
      JSON.stringify({ auths: { [registry.host]: { username: "ali", password: "ab" } } }),
    );
    await using known = new TestRegistries({ credentials });
    putArtifact(registry);
    other.documents.set("/store/component", { type: "application/octet-stream", bytes: COMPONENT });
    registry.script = (request, response) => {
      if (request.headers.authorization === undefined)
        response.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end();
      else if (request.url?.includes(digestOf(COMPONENT)) === true)
        response.writeHead(307, { location: `http://${other.host}/store/component?signature=abc` }).end();
      else return false;
      return true;
    };
    const artifact = await known.resolve(reference);

    expect(COMPONENT.equals(await artifact.fetch())).toBe(true);
    expect(registry.authorizations.at(-1), "the registry itself gets them").toMatch(/^Basic /);
    expect(other.authorizations).toEqual([undefined]);
  });

  test("in a circle are followed five times", async () => {
    answering("/manifests/1", (response) => response.writeHead(307, { location: "/v2/f/manifests/1" }).end());

    expect(await refusal(registries.resolve(reference))).toBe(unreadable("redirects again and again"));
    expect(registry.requests).toHaveLength(6);
  });

  test("from TLS into the clear are not followed", async () => {
    const authority = await Authority.create();
    await using secured = await ScriptedRegistry.start(await authority.issue(["127.0.0.1"]));
    secured.script = (_, response) => {
      response.writeHead(307, { location: `http://${registry.host}/anything` }).end();
      return true;
    };
    const at = `oci://${secured.host}/f:1`;
    const ca = join(folder, "ca.pem");
    writeFileSync(ca, authority.cert);
    await using trusting = new TestRegistries({
      registries: [spokenWith(secured.host, { insecure: false, ca })],
    });

    expect(await refusal(trusting.resolve(at))).toBe(
      `${at} cannot be read: ${secured.host} redirects to ${registry.host}, which would be asked in the clear`,
    );
    expect(registry.requests).toEqual([]);
  });
});

/** Never ends by itself. */
function flood(response: ServerResponse): void {
  const piece = Buffer.alloc(65_536, " ");
  const endless = new Readable({
    read() {
      this.push(piece);
    },
  });
  pipeline(endless, response, () => undefined);
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
