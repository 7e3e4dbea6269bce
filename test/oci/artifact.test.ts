/** What a registry says about an artifact, and what of it is believed. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { refusal, TestRegistries } from "./registries.ts";
import { COMPONENT, digestOf, type Parts, putArtifact, ScriptedRegistry } from "./scripted-registry.ts";

let registry: ScriptedRegistry;
let registries: TestRegistries;
let reference: string;

beforeEach(async () => {
  registry = await ScriptedRegistry.start();
  registries = new TestRegistries();
  reference = `oci://${registry.host}/f:1`;
});

afterEach(async () => {
  await registries.close();
  await registry[Symbol.asyncDispose]();
});

const INDEX = "application/vnd.oci.image.index.v1+json";
const FILTER = "sluice:filter/filter@0.1.0";
const names = (imports: readonly string[], exports: readonly string[] = [FILTER]): object => ({
  component: { imports, exports },
});

test.each<[what: string, parts: Parts, sentence: string]>([
  [
    "an artifact that exports no filter",
    { config: names([], ["wasi:http/incoming-handler@0.2.0"]) },
    `does not export ${FILTER}: it exports wasi:http/incoming-handler@0.2.0`,
  ],
  [
    "one that imports what no filter gets",
    { config: names(["wasi:sockets/tcp@0.2.0"]) },
    "imports wasi:sockets/tcp@0.2.0, which the host does not offer to any filter",
  ],
  [
    "one for another contract",
    { config: names([], ["sluice:filter/filter@9.0.0"]) },
    `exports sluice:filter/filter@9.0.0, and this host serves ${FILTER}: build it with the SDK of that version`,
  ],
  ["a core module", { config: { os: "wasip1" } }, "is for wasip1 on wasm, and not for wasip2 on wasm"],
  [
    "a program for another machine",
    { config: { os: "linux", architecture: "amd64" } },
    "is for linux on amd64, and not for wasip2 on wasm",
  ],
  [
    "one whose config says nothing of imports",
    { config: { component: undefined } },
    "has a config that does not say what the component imports and exports",
  ],
  [
    "one whose config is of another component",
    { config: { layerDigests: [digestOf("another")] } },
    "has a config that is of another component than its layer",
  ],
  [
    "one whose config is none",
    { config: "{}" },
    "has a config that is none of application/vnd.wasm.config.v0+json",
  ],
  [
    "one whose config is no JSON",
    { config: "\0" },
    "has a config that is none of application/vnd.wasm.config.v0+json",
  ],
  [
    "an image of a container",
    { configType: "application/vnd.oci.image.config.v1+json" },
    "is no component: its config is application/vnd.oci.image.config.v1+json, and not application/vnd.wasm.config.v0+json",
  ],
  ["one of no layers", { layers: [] }, "has 0 layers, and a component is one"],
  [
    "one whose layer is something else",
    { layer: { mediaType: "application/vnd.oci.image.layer.v1.tar" } },
    "has a layer of application/vnd.oci.image.layer.v1.tar, and a component is application/wasm",
  ],
  [
    "one that says it is longer than a component may be",
    { layer: { size: 65 * 1_024 * 1_024 } },
    "has 68157440 bytes, and limits.component-bytes allows 67108864",
  ],
])("%s is refused before its bytes are fetched", async (_, parts, sentence) => {
  putArtifact(registry, parts);

  expect(await refusal(registries.resolve(reference))).toBe(`${reference} ${sentence}`);

  expect(registry.requests, "its component was fetched").not.toContain(blobRequest(COMPONENT));
});

test("a filter that is not granted an import is refused before its bytes are fetched", async () => {
  putArtifact(registry, { config: names(["sluice:filter/log@0.1.0", "sluice:filter/secrets@0.1.0"]) });
  const asking = { filter: "keys", granted: ["log"] } as const;

  expect(await refusal(registries.resolve(reference, asking))).toBe(
    `${reference}: filter keys imports sluice:filter/secrets@0.1.0, which it is not granted: ` +
      "filters.keys needs `grant: { secrets: [NAME] }`",
  );
  const granted = await registries.resolve(reference, { ...asking, granted: ["log", "secrets"] });

  expect(granted.imports).toEqual(["sluice:filter/log@0.1.0", "sluice:filter/secrets@0.1.0"]);
  expect(registry.requests).not.toContain(blobRequest(COMPONENT));
});

test("an import that may be there for its types alone is left to the component's bytes", async () => {
  putArtifact(registry, { config: names(["sluice:filter/store@0.1.0", "sluice:filter/rate-limit@0.1.0"]) });

  const artifact = await registries.resolve(reference, { filter: "f", granted: ["rate-limit"] });
  expect(artifact.imports).toContain("sluice:filter/store@0.1.0");

  putArtifact(registry, { config: names(["sluice:filter/store@0.1.0"]) });
  expect(await refusal(registries.resolve(reference, { filter: "f", granted: [] }))).toContain("store: true");
});

describe("an index", () => {
  const entry = (of: { digest: string; size: number }, architecture: string): object => ({
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    ...of,
    platform: { architecture, os: "wasip2" },
  });
  const putIndex = (...manifests: object[]): object =>
    registry.manifest({ schemaVersion: 2, mediaType: INDEX, manifests }, "1");

  test("means its one manifest for wasm, which is what a pin names", async () => {
    const wasm = putArtifact(registry, { tag: "wasm" });
    putIndex(entry({ digest: digestOf("amd64"), size: 5 }, "amd64"), entry(wasm, "wasm"));

    const artifact = await registries.resolve(reference);

    expect(artifact.digest).toBe(digestOf(COMPONENT).slice(7));
    expect(artifact.pinned).toBe(`oci://${registry.host}/f@${wasm.digest}`);
  });

  test("without one, or with several, is refused", async () => {
    putIndex(entry({ digest: digestOf("amd64"), size: 5 }, "amd64"));
    expect(await refusal(registries.resolve(reference))).toBe(
      `${reference} is an index of 1 manifests, and none of them is for wasm`,
    );

    const wasm = putArtifact(registry, { tag: "wasm" });
    putIndex(entry(wasm, "wasm"), entry(wasm, "wasm"));
    expect(await refusal(registries.resolve(reference))).toBe(
      `${reference} is an index with 2 manifests for wasm: name the one that is meant by its digest`,
    );
  });

  test("within an index is none", async () => {
    const inner = registry.manifest({ schemaVersion: 2, mediaType: INDEX, manifests: [] });
    putIndex(entry(inner, "wasm"));

    expect(await refusal(registries.resolve(reference))).toBe(
      `${reference} cannot be read: ${registry.host} gives something else for a manifest`,
    );
  });
});

test("a manifest by docker's name is one, too", async () => {
  putArtifact(registry, {
    manifest: { mediaType: "application/vnd.docker.distribution.manifest.v2+json" },
  });

  expect((await registries.resolve(reference)).bytes).toBe(COMPONENT.length);
});

describe("signatures", () => {
  const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";
  const OWN = "application/vnd.sluice.signature.v1";

  /** Has a signature's manifest, and gives its entry in a list. */
  function put(type: string, text: string, subject: object, changes: object = {}): object {
    const layer = { mediaType: type, digest: registry.blob(text), size: Buffer.byteLength(text) };
    const empty = "application/vnd.oci.empty.v1+json";
    const own = registry.manifest({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      artifactType: type,
      config: { mediaType: empty, digest: registry.blob("{}"), size: 2 },
      layers: [layer],
      subject,
      ...changes,
    });
    return { mediaType: "application/vnd.oci.image.manifest.v1+json", artifactType: type, ...own };
  }

  /** The registry keeps this list, and gives it in pages of one. */
  function list(entries: readonly object[]): void {
    registry.script = (request, response) => {
      const url = new URL(request.url ?? "", "http://registry");
      if (!url.pathname.includes("/referrers/")) return false;
      const at = Number(url.searchParams.get("at") ?? 0);
      const next = `${url.pathname}?artifactType=any&at=${at + 1}`;
      response.writeHead(200, {
        "content-type": INDEX,
        ...(at + 1 < entries.length && { link: `<${next}>; rel="next"` }),
      });
      response.end(
        JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: entries.slice(at, at + 1) }),
      );
      return true;
    };
  }

  test("come from the registry's own list, page by page, whatever else is in it", async () => {
    const subject = { mediaType: "application/vnd.oci.image.manifest.v1+json", ...putArtifact(registry) };
    const other = put("application/spdx+json", "a bill of materials", subject) as { digest: string };
    list([other, put(OWN, "first", subject), put(OWN, "second", subject), put(BUNDLE, "{}", subject)]);

    const artifact = await registries.resolve(reference);

    expect(await artifact.signatures()).toEqual([
      { kind: "sigstore", text: "{}" },
      { kind: "key", text: "first" },
      { kind: "key", text: "second" },
    ]);
    expect(registry.requests).toContain(
      `GET /v2/f/referrers/${artifact.manifestDigest}?artifactType=${encodeURIComponent(OWN)}`,
    );
    expect(registry.requests, "it was read all the same").not.toContain(
      `GET /v2/f/manifests/${other.digest}`,
    );
  });

  test("that are of another form, or refer to something else, stand in nobody's way", async () => {
    const subject = { mediaType: "application/vnd.oci.image.manifest.v1+json", ...putArtifact(registry) };
    const gone = { digest: digestOf("gone"), size: 4, mediaType: OWN, artifactType: OWN };
    list([
      gone,
      put(OWN, "of another", { ...subject, digest: digestOf("another") }),
      put(OWN, "with no layer", subject, { layers: [] }),
      put(OWN, "without its bytes", subject, {
        layers: [{ mediaType: OWN, digest: digestOf("gone"), size: 4 }],
      }),
      put(OWN, "with another type", subject, { artifactType: "application/json" }),
      put(OWN, "good", subject),
    ]);

    const artifact = await registries.resolve(reference);

    expect(await artifact.signatures()).toEqual([{ kind: "key", text: "good" }]);
  });

  test("that a registry cannot give are no reason to believe that there are none", async () => {
    putArtifact(registry);
    const artifact = await registries.resolve(reference);
    registry.script = (request, response) => {
      if (request.url?.includes("/referrers/") !== true) return false;
      response.writeHead(418).end();
      return true;
    };

    expect(await refusal(artifact.signatures())).toBe(
      `${reference} has signatures that cannot be read: ${registry.host} answers with status 418`,
    );
  });
});

function blobRequest(bytes: Buffer): string {
  return `GET /v2/f/blobs/${digestOf(bytes)}`;
}
