import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Issued } from "../support/certificate.ts";

/** What a test does with a request in the place of the registry; true: it has answered, or never will. */
type Script = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

/** A registry that does what a test tells it, faults and lies included. It forgets what is put into it. */
export class ScriptedRegistry implements AsyncDisposable {
  /** By path: what it gives. */
  readonly documents: Map<string, { readonly type: string; readonly bytes: Buffer }> = new Map();
  /** `GET /v2/…`, in order. */
  readonly requests: string[] = [];
  /** The Authorization of each of them, in the same order. */
  readonly authorizations: (string | undefined)[] = [];
  script: Script = () => false;
  readonly #server: Server;

  private constructor(tls: Issued | undefined) {
    const listener: RequestListener = (request, response) => void this.#serve(request, response);
    this.#server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener);
  }

  static async start(tls?: Issued): Promise<ScriptedRegistry> {
    const registry = new ScriptedRegistry(tls);
    registry.#server.listen(0, "127.0.0.1");
    await once(registry.#server, "listening");
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Has a blob under its digest, which it gives. */
  blob(bytes: Buffer | string, repository = "f"): string {
    const digest = digestOf(bytes);
    this.documents.set(`/v2/${repository}/blobs/${digest}`, {
      type: "application/octet-stream",
      bytes: Buffer.from(bytes),
    });
    return digest;
  }

  /** Has a manifest or an index under its digest, and under a tag when one is given. */
  manifest(document: object, tag?: string, repository = "f"): { digest: string; size: number } {
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = digestOf(bytes);
    const type = (document as { readonly mediaType?: string }).mediaType ?? "application/json";
    for (const name of [digest, ...(tag === undefined ? [] : [tag])])
      this.documents.set(`/v2/${repository}/manifests/${name}`, { type, bytes });
    return { digest, size: bytes.length };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "" } = request;
    this.requests.push(`${method} ${url}`);
    this.authorizations.push(request.headers.authorization);
    if (await this.script(request, response)) return;
    const found = this.documents.get(url.split("?")[0] ?? "");
    if (found === undefined || (method !== "GET" && method !== "HEAD")) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": found.type, "content-length": found.bytes.length });
    response.end(method === "HEAD" ? undefined : found.bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

export function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.wasm.config.v0+json";
/** No component, but as good as one to a registry. */
export const COMPONENT: Buffer = Buffer.from("\0asm: a component");

/** What an artifact is made of, of which a test changes what it is about. */
export interface Parts {
  readonly component?: Buffer;
  /** Of the descriptor: what it says about the component, whatever that is. */
  readonly layer?: object;
  readonly layers?: readonly object[];
  readonly config?: object | string;
  readonly configType?: string;
  readonly manifest?: object;
  readonly tag?: string;
}

/** Puts an artifact into a registry: a filter that imports what every filter has, unless a test says otherwise. */
export function putArtifact(registry: ScriptedRegistry, parts: Parts = {}): { digest: string; size: number } {
  const component = parts.component ?? COMPONENT;
  const digest = registry.blob(component);
  const configText =
    typeof parts.config === "string" ? parts.config : JSON.stringify(configOf(digest, parts.config));
  const layer = { mediaType: "application/wasm", digest, size: component.length, ...parts.layer };
  return registry.manifest(
    {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: {
        mediaType: parts.configType ?? CONFIG,
        digest: registry.blob(configText),
        size: Buffer.byteLength(configText),
      },
      layers: parts.layers ?? [layer],
      ...parts.manifest,
    },
    parts.tag ?? "1",
  );
}

function configOf(layer: string, changes: object | undefined): object {
  return {
    created: "1970-01-01T00:00:00Z",
    architecture: "wasm",
    os: "wasip2",
    layerDigests: [layer],
    component: {
      exports: ["sluice:filter/filter@0.1.0"],
      imports: ["sluice:filter/types@0.1.0", "wasi:cli/stderr@0.2.6"],
    },
    ...changes,
  };
}
