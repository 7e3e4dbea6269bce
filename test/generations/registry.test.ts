/** Hosts whose filters are in a registry: which is down, or lies, or has something else by now. */
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf } from "../../host/filter/component-store.ts";
import { digestOf as blobOf, putArtifact, ScriptedRegistry } from "../oci/scripted-registry.ts";
import { variant } from "../support/component-file.ts";
import { component, type TestHost } from "../support/test-host.ts";
import { markOf, Place, refusal } from "./changing.ts";

const FILTER = readFileSync(component("mark"));
const NEXT = variant(FILTER, "next");

let place: Place;
let registry: ScriptedRegistry;
let reference: string;
let store: string;

/** What one test has transpiled, the next one need not. */
const STORE = mkdtempSync(join(tmpdir(), "sluice-registry-store-"));
afterAll(() => rmSync(STORE, { recursive: true }));

beforeEach(async () => {
  store = STORE;
  place = await Place.make();
  registry = place.stack.use(await ScriptedRegistry.start());
  reference = `oci://${registry.host}/f:1`;
});

afterEach(() => place[Symbol.asyncDispose]());

interface Parts {
  readonly mark?: string;
  readonly edits?: number;
  readonly component?: string;
  readonly sha256?: string;
}

/** A configuration whose filter is in the registry. */
function rest({ mark = "one", edits = 64, component: from = reference, sha256 }: Parts = {}): object {
  return {
    workers: 1,
    artifacts: store,
    limits: { edits },
    filters: { mark: { component: from, sha256, config: { mark } } },
  };
}

function start(parts: Parts = {}): Promise<TestHost> {
  return place.start({ rest: rest(parts) });
}

/** Every request ends as it does where nobody listens any more. */
function stopRegistry(): void {
  registry.script = (request) => {
    request.socket.destroy();
    return true;
  };
}

function digest(host: TestHost): string | undefined {
  return host.host.status().filters[0]?.digest;
}

const GONE = "has closed the connection before its answer was complete";

describe("a registry that is down", () => {
  test("is not asked by what changes something else, and is told to who wants something of it", async () => {
    putArtifact(registry, { component: FILTER });
    const host = await start();
    stopRegistry();
    registry.requests.length = 0;

    await host.host.apply(place.text({ rest: rest({ edits: 65 }) }));
    await host.host.apply(place.text({ rest: rest({ mark: "two" }) }));
    await host.host.swap("mark", { config: { mark: "three" } });
    await host.host.rollback(undefined);
    expect(registry.requests).toEqual([]);
    expect([digest(host), await markOf(host), host.host.status().generation]).toEqual([
      digestOf(FILTER),
      "two",
      5,
    ]);

    const other = `oci://${registry.host}/other:2`;
    for (const request of [{}, { component: other }]) {
      const { code, message } = await refusal(host.host.swap("mark", request));
      const sentence = `${request.component ?? reference} cannot be read: ${registry.host} ${GONE}`;
      expect([code, message]).toEqual(["ARTIFACT_REFUSED", sentence]);
    }
    expect((await refusal(host.host.apply(place.text({ rest: rest({ component: other }) })))).message).toBe(
      `${other} cannot be read: ${registry.host} ${GONE}`,
    );
    expect(await markOf(host)).toBe("two");
  });

  test("keeps no host from coming back, and when it is there again a moved tag is taken", async () => {
    putArtifact(registry, { component: FILTER });
    const first = await start();
    await first.host.drain();
    stopRegistry();
    registry.requests.length = 0;

    const second = await start();
    expect(registry.requests).toEqual([]);
    expect([digest(second), second.host.status().generation]).toEqual([digestOf(FILTER), 1]);
    expect(await markOf(second)).toBe("one");

    putArtifact(registry, { component: NEXT });
    registry.script = () => false;
    expect(digest(second), "a moved tag counts without being asked for").toBe(digestOf(FILTER));
    const { from, to } = await second.host.swap("mark", {});
    expect([from, to]).toEqual([digestOf(FILTER), digestOf(NEXT)]);
    await second.host.rollback(1);
    expect(digest(second)).toBe(digestOf(FILTER));
  });

  test("keeps no host from coming back with another file either: what ran last is in the store", async () => {
    putArtifact(registry, { component: FILTER });
    const first = await start();
    // Also where something else was swapped in since, which the file does not say.
    const other = join(place.folder, "other.wasm");
    writeFileSync(other, NEXT);
    await first.host.swap("mark", { component: other });
    await first.host.drain();
    stopRegistry();

    const second = await start({ mark: "two" });
    expect([digest(second), second.host.status().generation]).toEqual([digestOf(FILTER), 3]);
    expect(await markOf(second)).toBe("two");
    const [line] = await second.lines("the reason", ({ msg }) => msg.startsWith(reference));
    expect(line).toMatchObject({
      level: 40,
      filter: "mark",
      msg: `${reference} cannot be read: ${registry.host} ${GONE}; the component that ran last is taken from the store`,
    });
    await second.host.drain();

    // Something else than what ran has never been seen here.
    for (const parts of [{ component: `oci://${registry.host}/f:2` }, { sha256: digestOf(NEXT) }]) {
      const { code, message } = await refusal(start(parts));
      expect([code, message]).toEqual([
        "ARTIFACT_REFUSED",
        `${parts.component ?? reference} cannot be read: ${registry.host} ${GONE}`,
      ]);
    }
  });

  test("is told by a start that finds nothing in its store", async () => {
    store = join(place.folder, "store");
    putArtifact(registry, { component: FILTER });
    const first = await start();
    await first.host.drain();
    stopRegistry();
    // With what it is to serve, and without the bytes.
    rmSync(join(store, "sha256"), { recursive: true });
    expect((await refusal(start())).message).toBe(`${reference} cannot be read: ${registry.host} ${GONE}`);

    rmSync(store, { recursive: true });
    const port = await freePort();
    const dead = `oci://127.0.0.1:${port}/f:1`;
    const { code, message } = await refusal(start({ component: dead }));
    expect([code, message]).toEqual([
      "ARTIFACT_REFUSED",
      `${dead} cannot be read: nothing listens at 127.0.0.1:${port}`,
    ]);
  });
});

describe("a registry that lies", () => {
  test("about what a component imports gains nothing: its own bytes count", async () => {
    putArtifact(registry, { component: FILTER });
    const host = await start();
    putArtifact(registry, { component: readFileSync(component("wants_store")), tag: "liar" });
    const liar = await refusal(host.host.swap("mark", { component: `oci://${registry.host}/f:liar` }));
    expect(liar.code).toBe("GRANT_MISSING");
    expect(registry.requests.at(-1)).toContain("/blobs/");

    // The honest one is not even fetched.
    const honest = `oci://${registry.host}/f:honest`;
    const bytes = variant(readFileSync(component("wants_store")), "honest");
    const imports = ["sluice:filter/types@0.1.0", "sluice:filter/store@0.1.0"];
    putArtifact(registry, {
      component: bytes,
      tag: "honest",
      config: { component: { exports: ["sluice:filter/filter@0.1.0"], imports } },
    });
    registry.requests.length = 0;
    const { code, message } = await refusal(host.host.swap("mark", { component: honest }));
    expect([code, message]).toEqual([
      "GRANT_MISSING",
      `${honest}: filter mark imports sluice:filter/store@0.1.0, which it is not granted: filters.mark needs \`grant: { store: true }\``,
    ]);
    expect(registry.requests.filter((line) => line.includes(blobOf(bytes)))).toEqual([]);
    expect(await markOf(host)).toBe("one");
  });

  test("about a component's bytes is found out, and nothing of them is kept", async () => {
    putArtifact(registry, { component: FILTER });
    const host = await start();
    const lied = variant(FILTER, "lied");
    putArtifact(registry, { component: lied, tag: "2" });
    const blob = blobOf(lied);
    const path = `/v2/f/blobs/${blob}`;
    const bytes = Buffer.from(lied);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    registry.documents.set(path, { type: "application/octet-stream", bytes });
    const two = `oci://${registry.host}/f:2`;
    const { code, message } = await refusal(host.host.swap("mark", { component: two }));
    expect([code, message]).toEqual([
      "ARTIFACT_REFUSED",
      `${two} cannot be fetched: ${registry.host} gives bytes with the digest ${blobOf(bytes)} for ${blob}`,
    ]);
    registry.documents.set(path, { type: "application/octet-stream", bytes: lied.subarray(0, 1_000) });
    expect((await refusal(host.host.swap("mark", { component: two }))).message).toBe(
      `${two} cannot be fetched: ${registry.host} has sent 1000 of the ${lied.length} bytes of ${blob}`,
    );
    expect(readdirSync(join(store, "sha256"))).not.toContain(digestOf(lied));
    expect(await markOf(host)).toBe("one");
  });

  test("or moves a tag while it is asked gives what the tag meant at first, whole", async () => {
    putArtifact(registry, { component: FILTER });
    const host = await start();
    const [second, third] = [variant(FILTER, "second"), variant(FILTER, "third")];
    putArtifact(registry, { component: second });
    registry.script = (request) => {
      if (request.url?.includes(blobOf(second)) === true) putArtifact(registry, { component: third });
      return false;
    };
    expect((await host.host.swap("mark", {})).to).toBe(digestOf(second));
    expect((await host.host.swap("mark", {})).to).toBe(digestOf(third));
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
