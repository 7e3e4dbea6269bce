import * as z from "zod";

/** The documents of registries: what of them counts here, read strictly, and written so that the same parts give the same bytes. */

export const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
export const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
/** What a manifest or an index may be called; the older names are those of docker's. */
export const MANIFEST_TYPES: ReadonlySet<string> = new Set([
  MANIFEST_TYPE,
  "application/vnd.docker.distribution.manifest.v2+json",
]);
export const INDEX_TYPES: ReadonlySet<string> = new Set([
  INDEX_TYPE,
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);

export const WASM_CONFIG_TYPE = "application/vnd.wasm.config.v0+json";
export const WASM_LAYER_TYPE = "application/wasm";
export const EMPTY_CONFIG_TYPE = "application/vnd.oci.empty.v1+json";
export const EMPTY_CONFIG: Buffer = Buffer.from("{}");

/** What a signature's artifact is called, which is also what its one layer is called. */
export const SIGNATURE_TYPES = {
  sigstore: "application/vnd.dev.sigstore.bundle.v0.3+json",
  key: "application/vnd.sluice.signature.v1",
} as const;
export type SignatureKind = keyof typeof SIGNATURE_TYPES;

/** A reference to bytes by their digest and length. */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string | undefined;
  readonly platform?: { readonly architecture?: string | undefined } | undefined;
}

export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string | undefined;
  readonly artifactType?: string | undefined;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** Whatever else is in one is kept when it is written again. */
export interface Index {
  readonly schemaVersion: 2;
  readonly mediaType?: string | undefined;
  readonly manifests: readonly Descriptor[];
}

/** What a component says of itself. */
export interface WasmConfig {
  readonly created?: string | undefined;
  readonly architecture: string;
  readonly os: string;
  readonly layerDigests?: readonly string[] | undefined;
  readonly component?: ComponentNames | null | undefined;
}

/** Full names of interfaces, as the component's own WIT has them. */
interface ComponentNames {
  readonly exports?: readonly string[] | null | undefined;
  readonly imports?: readonly string[] | null | undefined;
}

const DESCRIPTOR: z.ZodType<Descriptor> = z.looseObject({
  mediaType: z.string(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  size: z.int().min(0),
  artifactType: z.string().optional(),
  platform: z.looseObject({ architecture: z.string().optional() }).optional(),
});

const MANIFEST: z.ZodType<Manifest> = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  config: DESCRIPTOR,
  layers: z.array(DESCRIPTOR).max(128),
  subject: DESCRIPTOR.optional(),
});

const INDEX: z.ZodType<Index> = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z.array(DESCRIPTOR).max(1_024),
});

const NAMES: z.ZodType<readonly string[]> = z.array(z.string().min(1).max(256)).max(1_024);

const WASM_CONFIG: z.ZodType<WasmConfig> = z.looseObject({
  architecture: z.string(),
  os: z.string(),
  layerDigests: z.array(z.string()).optional(),
  component: z.looseObject({ exports: NAMES.nullish(), imports: NAMES.nullish() }).nullish(),
});

/** Undefined for what is none. */
export function readManifest(text: string): Manifest | undefined {
  return read(MANIFEST, text);
}

export function readIndex(text: string): Index | undefined {
  return read(INDEX, text);
}

export function readWasmConfig(text: string): WasmConfig | undefined {
  return read(WASM_CONFIG, text);
}

function read<Document>(schema: z.ZodType<Document>, text: string): Document | undefined {
  try {
    const result = schema.safeParse(JSON.parse(text));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}
