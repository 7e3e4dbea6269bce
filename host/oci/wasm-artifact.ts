import { ArtifactRefused } from "../filter/contract.ts";
import type { ComponentWorld } from "../filter/world.ts";
import {
  type Descriptor,
  INDEX_TYPES,
  type Index,
  MANIFEST_TYPES,
  type Manifest,
  readIndex,
  readManifest,
  readWasmConfig,
  WASM_CONFIG_TYPE,
  WASM_LAYER_TYPE,
} from "./manifest.ts";
import { RegistryFault } from "./registry-fault.ts";
import type { Document, Repository } from "./repository.ts";

/** A component as the CNCF's artifact layout has it: one layer, and a config that says what it imports and exports. */
export interface FoundComponent extends ComponentWorld {
  readonly manifest: Document;
  readonly layer: Descriptor;
}

/**
 * Reads manifest and config of what a tag or a digest names; of an index, of its one component. Rejects with an
 * `ArtifactRefused` for what is no component, and with a `RegistryFault`.
 */
export async function findComponent(
  repository: Repository,
  tagOrDigest: string,
  reference: string,
): Promise<FoundComponent> {
  const named = await repository.manifest(tagOrDigest);
  const chosen = INDEX_TYPES.has(named.type) ? await chooseManifest(repository, named, reference) : named;
  const manifest = MANIFEST_TYPES.has(chosen.type) ? readManifest(chosen.text) : undefined;
  if (manifest === undefined)
    throw new RegistryFault(`${repository.host} gives something else for a manifest`);
  const layer = layerOf(manifest, reference);
  const { config } = manifest;
  if (config.size > CONFIG_BYTES_MAX)
    throw new ArtifactRefused(
      `${reference} has a config of ${config.size} bytes, and ${CONFIG_BYTES_MAX} are read`,
    );
  const text = (await repository.blob(config)).toString();
  return { manifest: chosen, layer, ...worldIn(text, layer, reference) };
}

/** Of many platforms' manifests the one that is WebAssembly. */
async function chooseManifest(repository: Repository, named: Document, reference: string): Promise<Document> {
  const index: Index | undefined = readIndex(named.text);
  if (index === undefined) throw new RegistryFault(`${repository.host} gives something else for an index`);
  const fitting = index.manifests.filter(
    ({ platform, artifactType }) => platform?.architecture === "wasm" || artifactType === WASM_CONFIG_TYPE,
  );
  const [only] = fitting;
  if (only === undefined)
    throw new ArtifactRefused(
      `${reference} is an index of ${index.manifests.length} manifests, and none of them is for wasm`,
    );
  if (fitting.length > 1)
    throw new ArtifactRefused(
      `${reference} is an index with ${fitting.length} manifests for wasm: name the one that is meant by its digest`,
    );
  return repository.manifest(only.digest);
}

function layerOf({ config, layers }: Manifest, reference: string): Descriptor {
  if (config.mediaType !== WASM_CONFIG_TYPE)
    throw new ArtifactRefused(
      `${reference} is no component: its config is ${brief(config.mediaType)}, and not ${WASM_CONFIG_TYPE}`,
    );
  const [layer] = layers;
  if (layer === undefined || layers.length > 1)
    throw new ArtifactRefused(`${reference} has ${layers.length} layers, and a component is one`);
  if (layer.mediaType !== WASM_LAYER_TYPE)
    throw new ArtifactRefused(
      `${reference} has a layer of ${brief(layer.mediaType)}, and a component is ${WASM_LAYER_TYPE}`,
    );
  return layer;
}

function worldIn(text: string, layer: Descriptor, reference: string): ComponentWorld {
  const config = readWasmConfig(text);
  if (config === undefined)
    throw new ArtifactRefused(`${reference} has a config that is none of ${WASM_CONFIG_TYPE}`);
  const { architecture, os, layerDigests, component } = config;
  if (architecture !== "wasm" || os !== "wasip2")
    throw new ArtifactRefused(
      `${reference} is for ${brief(os)} on ${brief(architecture)}, and not for wasip2 on wasm`,
    );
  if (layerDigests !== undefined && (layerDigests.length !== 1 || layerDigests[0] !== layer.digest))
    throw new ArtifactRefused(`${reference} has a config that is of another component than its layer`);
  if (component === undefined || component === null)
    throw new ArtifactRefused(
      `${reference} has a config that does not say what the component imports and exports`,
    );
  return { imports: component.imports ?? [], exports: component.exports ?? [] };
}

/** What others have written, in a sentence. */
function brief(text: string): string {
  return text.length > 80 ? `${text.slice(0, 79)}…` : text === "" ? "nothing" : text;
}

const CONFIG_BYTES_MAX = 1_024 * 1_024;
