import { formatOciReference, type OciReference } from "../config/oci-reference.ts";
import type { ComponentWorld } from "../filter/world.ts";
import { digestOf } from "./answer.ts";
import {
  type Descriptor,
  EMPTY_CONFIG,
  EMPTY_CONFIG_TYPE,
  INDEX_TYPE,
  type Manifest,
  MANIFEST_TYPE,
  SIGNATURE_TYPES,
  WASM_CONFIG_TYPE,
  WASM_LAYER_TYPE,
  type WasmConfig,
} from "./manifest.ts";
import type { Repository } from "./repository.ts";
import type { Signature } from "./signatures.ts";

/** What is put into a registry. The same parts always make the same manifest. */
export interface Push {
  readonly component: Buffer;
  readonly world: ComponentWorld;
  readonly signatures: readonly Signature[];
  /** Seconds since 1970: when it was made. Undefined: not said. */
  readonly createdAt: number | undefined;
  /** Is told how many of the component's bytes have been sent. */
  readonly sent?: (bytes: number) => void;
}

export interface Pushed {
  /** `oci://host/name@sha256:…`. */
  readonly pinned: string;
  readonly manifestDigest: string;
  /** SHA-256 of the component, lower-case hex. */
  readonly digest: string;
  /** Whether the registry did not have the component's bytes. */
  readonly uploaded: boolean;
}

/** Puts first what is referred to and then what refers to it, so that whoever reads meanwhile finds all or nothing. */
export async function push(repository: Repository, reference: OciReference, what: Push): Promise<Pushed> {
  const { component, world, signatures, createdAt } = what;
  const layer = descriptor(WASM_LAYER_TYPE, component);
  const config = Buffer.from(JSON.stringify(configOf(layer, world, createdAt)));
  const uploaded = await repository.putBlob(component, what.sent);
  await repository.putBlob(config);
  const text = JSON.stringify(manifestOf(descriptor(WASM_CONFIG_TYPE, config), layer, createdAt));
  const subject = descriptor(MANIFEST_TYPE, Buffer.from(text));
  // By its digest, so that signatures can refer to it; the tag moves when they are there.
  await repository.putManifest(subject.digest, text, MANIFEST_TYPE);
  for (const signature of signatures) await attach(repository, subject, signature);
  await repository.putManifest(reference.tag ?? "", text, MANIFEST_TYPE);
  return {
    pinned: formatOciReference({ ...reference, tag: undefined, digest: subject.digest }),
    manifestDigest: subject.digest,
    digest: layer.digest.slice("sha256:".length),
    uploaded,
  };
}

/** Other readers of the format want a time in it, and get the beginning of all times where none is known. */
function configOf(
  layer: Descriptor,
  { imports, exports }: ComponentWorld,
  createdAt: number | undefined,
): WasmConfig {
  return {
    created: timeOf(createdAt ?? 0),
    architecture: "wasm",
    os: "wasip2",
    layerDigests: [layer.digest],
    component: { exports, imports },
  };
}

function manifestOf(config: Descriptor, layer: Descriptor, createdAt: number | undefined): Manifest {
  return {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config,
    layers: [layer],
    ...(createdAt !== undefined && {
      annotations: { "org.opencontainers.image.created": timeOf(createdAt) },
    }),
  };
}

async function attach(repository: Repository, subject: Descriptor, { kind, text }: Signature): Promise<void> {
  const type = SIGNATURE_TYPES[kind];
  const bytes = Buffer.from(text);
  await repository.putBlob(EMPTY_CONFIG);
  await repository.putBlob(bytes);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType: type,
    config: descriptor(EMPTY_CONFIG_TYPE, EMPTY_CONFIG),
    layers: [descriptor(type, bytes)],
    subject,
  };
  const own = JSON.stringify(manifest);
  const entry = { ...descriptor(MANIFEST_TYPE, Buffer.from(own)), artifactType: type };
  const { listed } = await repository.putManifest(entry.digest, own, MANIFEST_TYPE);
  if (!listed) await list(repository, subject.digest, entry);
}

/** Registries before version 1.1 of the specification keep no list: clients do, under a tag. */
async function list(repository: Repository, subject: string, entry: Descriptor): Promise<void> {
  const index = await repository.referrersTag(subject);
  if (index.manifests.some(({ digest }) => digest === entry.digest)) return;
  const longer = { ...index, mediaType: INDEX_TYPE, manifests: [...index.manifests, entry] };
  await repository.putManifest(subject.replace(":", "-"), JSON.stringify(longer), INDEX_TYPE);
}

function descriptor(mediaType: string, bytes: Buffer): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().replace(".000Z", "Z");
}
