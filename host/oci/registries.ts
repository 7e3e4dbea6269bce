import type { RegistryConfig } from "../config/config.ts";
import {
  formatOciReference,
  isLoopback,
  type OciReference,
  readOciReference,
} from "../config/oci-reference.ts";
import { ArtifactRefused } from "../filter/contract.ts";
import { type GrantName, whyNotGranted } from "../filter/grants.ts";
import { surelyCalled, whyNoFilter } from "../filter/world.ts";
import { PemRefused } from "../tls/pem-file.ts";
import { type ConnectionOptions, RegistryConnection } from "./connection.ts";
import { type Push, type Pushed, push } from "./push.ts";
import { RegistryFault } from "./registry-fault.ts";
import { Repository } from "./repository.ts";
import { readSignatures, type Signature } from "./signatures.ts";
import { findComponent } from "./wasm-artifact.ts";

export interface RegistryOptions extends ConnectionOptions {
  /** Those that are spoken with in a way of their own. */
  readonly registries: readonly RegistryConfig[];
  /** A component that says it is longer is not fetched. */
  readonly componentBytesMax: number;
}

/** For whom an artifact is resolved. */
export interface Asking {
  readonly filter: string;
  readonly granted: readonly GrantName[];
}

/** What a reference names, as its manifest and its config say. The component's own bytes have the last word when they are loaded. */
export interface OciArtifact {
  readonly reference: string;
  /** The same, for good: with the manifest's digest and without a tag. */
  readonly pinned: string;
  /** SHA-256 of the component's bytes, lower-case hex. */
  readonly digest: string;
  /** `sha256:` and hex. */
  readonly manifestDigest: string;
  readonly bytes: number;
  /** Full names of interfaces. */
  readonly imports: readonly string[];
  readonly exports: readonly string[];
  /** The component's bytes, which have the digest. `read` is told how many there are. Rejects with an `ArtifactRefused`. */
  fetch(read?: (bytes: number) => void): Promise<Buffer>;
  /** The signatures that refer to it. None of them is verified. Rejects with an `ArtifactRefused`. */
  signatures(): Promise<readonly Signature[]>;
}

/** Reads artifacts from registries, and puts them there. */
export class Registries {
  readonly #options: RegistryOptions;
  readonly #connections = new Map<string, RegistryConnection>();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /**
   * Finds what a reference names now: reads its manifest and its config, and no component. What is no filter, imports what the
   * host does not offer, or what the one who asks is not granted, is refused here. Rejects with an `ArtifactRefused` whose sentence
   * begins with the reference.
   */
  resolve(reference: string, asking?: Asking): Promise<OciArtifact> {
    return this.#answering(reference, "cannot be read", async (read) => {
      const repository = new Repository(this.#connect(read), read.name, "pull");
      const found = await findComponent(repository, read.digest ?? read.tag ?? "", reference);
      const { layer, manifest, imports, exports } = found;
      const notFilter = whyNoFilter({ imports, exports });
      if (notFilter !== undefined) throw new ArtifactRefused(`${reference} ${notFilter}`);
      const notGranted =
        asking === undefined
          ? undefined
          : whyNotGranted(asking.filter, surelyCalled(imports), asking.granted);
      if (notGranted !== undefined)
        throw new ArtifactRefused(`${reference}: ${notGranted}`, { code: "grant" });
      const { componentBytesMax } = this.#options;
      if (layer.size > componentBytesMax)
        throw new ArtifactRefused(
          `${reference} has ${layer.size} bytes, and limits.component-bytes allows ${componentBytesMax}`,
        );
      return {
        reference,
        pinned: formatOciReference({ ...read, tag: undefined, digest: manifest.digest }),
        digest: layer.digest.slice("sha256:".length),
        manifestDigest: manifest.digest,
        bytes: layer.size,
        imports,
        exports,
        fetch: (told) => this.#answering(reference, "cannot be fetched", () => repository.blob(layer, told)),
        signatures: () =>
          this.#answering(reference, "has signatures that cannot be read", () =>
            readSignatures(repository, manifest),
          ),
      };
    });
  }

  /** Puts a component and its signatures under a tag. Rejects with an `ArtifactRefused`. */
  push(reference: string, what: Push): Promise<Pushed> {
    return this.#answering(reference, "cannot be pushed", (read) => {
      if (read.tag === undefined || read.digest !== undefined)
        throw new RegistryFault("expected a tag and no digest, which comes from what is pushed");
      return push(new Repository(this.#connect(read), read.name, "pull,push"), read, what);
    });
  }

  /** What is under way rejects. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#connections.values(), (connection) => connection.close()));
  }

  #connect({ registry }: OciReference): RegistryConnection {
    const open = this.#connections.get(registry);
    if (open !== undefined) return open;
    const config = this.#options.registries.find((candidate) => candidate.registry === registry);
    const connection = new RegistryConnection(
      config ?? { registry, insecure: isLoopback(registry), ca: null, credentials: null },
      this.#options,
    );
    this.#connections.set(registry, connection);
    return connection;
  }

  /** Whatever goes wrong with a registry becomes a sentence about the reference. */
  async #answering<Result>(
    reference: string,
    what: string,
    work: (read: OciReference) => Promise<Result>,
  ): Promise<Result> {
    const read = readOciReference(reference);
    if (typeof read === "string")
      throw new ArtifactRefused(
        `${JSON.stringify(reference)} is no reference to a registry: expected ${read}`,
      );
    try {
      return await work(read);
    } catch (error) {
      if (!(error instanceof RegistryFault || error instanceof PemRefused)) throw error;
      throw new ArtifactRefused(`${reference} ${what}: ${error.message}`, { cause: error });
    }
  }
}
