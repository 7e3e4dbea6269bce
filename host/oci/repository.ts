import { type Answer, digestOf, discard } from "./answer.ts";
import type { Body, Question, RegistryConnection } from "./connection.ts";
import {
  type Descriptor,
  type Index,
  INDEX_TYPE,
  INDEX_TYPES,
  MANIFEST_TYPES,
  readIndex,
} from "./manifest.ts";
import { RegistryFault } from "./registry-fault.ts";

/** A manifest or an index, as it was found: the bytes are those that the digest is of. */
export interface Document {
  /** As the registry calls it; what the document calls itself goes first. */
  readonly type: string;
  readonly text: string;
  readonly digest: string;
}

/** One repository of a registry: the distribution specification's requests (v1.1). Rejects with a `RegistryFault`. */
export class Repository {
  readonly #connection: RegistryConnection;
  readonly #name: string;
  readonly #scope: string;

  constructor(connection: RegistryConnection, name: string, actions: "pull" | "pull,push") {
    this.#connection = connection;
    this.#name = name;
    this.#scope = `repository:${name}:${actions}`;
  }

  get host(): string {
    return this.#connection.host;
  }

  /** By tag or digest. Undefined: there is none. */
  async findManifest(reference: string): Promise<Document | undefined> {
    const answer = await this.#ask("GET", `/manifests/${reference}`, {
      headers: { accept: [...MANIFEST_TYPES, ...INDEX_TYPES].join(", ") },
    });
    if (answer.status === 404) {
      await discard(answer);
      return undefined;
    }
    if (answer.status !== 200) throw await this.#fault(answer, "manifest");
    const bytes = await this.#connection.collect(answer, MANIFEST_BYTES_MAX);
    const digest = digestOf(bytes);
    // The digest that was asked for counts; of a tag the registry says itself what it names.
    const announced = answer.headers["docker-content-digest"];
    const wanted = reference.startsWith("sha256:") ? reference : announced;
    if (typeof wanted === "string" && wanted.startsWith("sha256:") && wanted !== digest)
      throw new RegistryFault(`${answer.host} gives a manifest with the digest ${digest} for ${wanted}`);
    const type = answer.headers["content-type"];
    const text = bytes.toString();
    const named = typeof type === "string" ? (type.split(";")[0] ?? "").trim() : "";
    return { type: typeOf(text) ?? named, text, digest };
  }

  async manifest(reference: string): Promise<Document> {
    const found = await this.findManifest(reference);
    if (found === undefined) throw new RegistryFault(`${this.host} has no such artifact`, { status: 404 });
    return found;
  }

  /** The bytes that a descriptor is of, all of them and no others. The caller sees to the size that it announces. */
  async blob({ digest, size }: Descriptor, read?: (bytes: number) => void): Promise<Buffer> {
    const answer = await this.#ask("GET", `/blobs/${digest}`);
    if (answer.status !== 200) throw await this.#fault(answer, `blob ${digest}`);
    const bytes = await this.#connection.collect(answer, size, read);
    if (bytes.length < size)
      throw new RegistryFault(`${answer.host} has sent ${bytes.length} of the ${size} bytes of ${digest}`);
    const actual = digestOf(bytes);
    if (actual !== digest)
      throw new RegistryFault(`${answer.host} gives bytes with the digest ${actual} for ${digest}`);
    return bytes;
  }

  /** What refers to a manifest and is of this type: from the registry's list, or from the tag that stands for one. */
  async referrers(digest: string, type: string): Promise<Descriptor[]> {
    const found: Descriptor[] = [];
    let url: string | undefined =
      `${this.#path}/referrers/${digest}?artifactType=${encodeURIComponent(type)}`;
    for (let pages = 0; url !== undefined && pages < PAGES_MAX; pages += 1) {
      const answer = await this.#connection.ask({
        method: "GET",
        url,
        scope: this.#scope,
        headers: { accept: INDEX_TYPE },
      });
      if (answer.status === 404) {
        await discard(answer);
        return ofType(await this.referrersTag(digest), type);
      }
      if (answer.status !== 200) throw await this.#fault(answer, "list of signatures");
      const index = readIndex((await this.#connection.collect(answer, MANIFEST_BYTES_MAX)).toString());
      if (index === undefined)
        throw new RegistryFault(`${answer.host} gives something else for a list of signatures`);
      found.push(...ofType(index, type));
      url = nextPage(answer.headers["link"]);
    }
    return found;
  }

  /** The list that clients keep themselves, where a registry keeps none. Without the tag it is empty. */
  async referrersTag(digest: string): Promise<Index> {
    const found = await this.findManifest(digest.replace(":", "-"));
    if (found === undefined) return { schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] };
    const index = readIndex(found.text);
    if (index === undefined || !INDEX_TYPES.has(found.type))
      throw new RegistryFault(`${this.host} has something else where the list of signatures should be`);
    return index;
  }

  /** Gives it bytes, unless it has them; and whether it had not. */
  async putBlob(bytes: Uint8Array, sent?: Body["sent"]): Promise<boolean> {
    const digest = digestOf(bytes);
    const there = await this.#ask("HEAD", `/blobs/${digest}`);
    await discard(there);
    if (there.status === 200) return false;
    if (there.status !== 404) throw await this.#fault(there, "repository");
    const begun = await this.#ask("POST", "/blobs/uploads/", { body: { bytes: Buffer.alloc(0) } });
    await discard(begun);
    const { location } = begun.headers;
    if (begun.status !== 202) throw await this.#fault(begun, "repository to push to");
    const target = URL.parse(typeof location === "string" ? location : "", `${begun.origin}/`);
    if (target === null) throw new RegistryFault(`${this.host} takes an upload, and does not say where`);
    target.searchParams.set("digest", digest);
    const done = await this.#connection.ask({
      method: "PUT",
      url: target.href,
      scope: this.#scope,
      headers: { "content-type": "application/octet-stream" },
      body: { bytes, sent },
    });
    await discard(done);
    if (done.status !== 201) throw await this.#fault(done, "upload");
    return true;
  }

  /** Under a tag or its digest. Whether the registry has put it into the list of what refers to its subject. */
  async putManifest(reference: string, text: string, type: string): Promise<{ readonly listed: boolean }> {
    const bytes = Buffer.from(text);
    const answer = await this.#ask("PUT", `/manifests/${reference}`, {
      headers: { "content-type": type },
      body: { bytes },
    });
    await discard(answer);
    if (answer.status !== 201) throw await this.#fault(answer, "repository to push to");
    const kept = answer.headers["docker-content-digest"];
    if (typeof kept === "string" && kept !== digestOf(bytes))
      throw new RegistryFault(`${this.host} has kept the manifest as ${kept} and not as ${digestOf(bytes)}`);
    return { listed: answer.headers["oci-subject"] !== undefined };
  }

  get #path(): string {
    return `/v2/${this.#name}`;
  }

  #ask(
    method: Question["method"],
    path: string,
    rest: Partial<Pick<Question, "headers" | "body">> = {},
  ): Promise<Answer> {
    return this.#connection.ask({ method, url: `${this.#path}${path}`, scope: this.#scope, ...rest });
  }

  async #fault(answer: Answer, what: string): Promise<RegistryFault> {
    await discard(answer);
    const { host, status } = answer;
    return new RegistryFault(clauseFor(host, status, what), { status });
  }
}

function clauseFor(host: string, status: number, what: string): string {
  switch (status) {
    case 403:
      return `${host} does not allow it (status 403)`;
    case 404:
      return `${host} has no such ${what}`;
    case 429:
      return `${host} has been asked too often (status 429)`;
    default:
      return `${host} answers with status ${status}`;
  }
}

function ofType({ manifests }: Index, type: string): Descriptor[] {
  return manifests.filter(({ artifactType }) => artifactType === type);
}

/** `mediaType`, where the document has it. */
function typeOf(text: string): string | undefined {
  try {
    const { mediaType } = JSON.parse(text) as { readonly mediaType?: unknown };
    return typeof mediaType === "string" ? mediaType : undefined;
  } catch {
    return undefined;
  }
}

/** `<url>; rel="next"`. */
function nextPage(field: string | string[] | undefined): string | undefined {
  return [field ?? []].flat().flatMap((line) => /<([^>]+)>\s*;[^,]*\brel="?next"?/.exec(line)?.[1] ?? [])[0];
}

const MANIFEST_BYTES_MAX = 4 * 1_024 * 1_024;
const PAGES_MAX = 8;
