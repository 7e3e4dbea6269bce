import { randomBytes } from "node:crypto";
import type { ListenConfig, ListenTls } from "../config/config.ts";
import { type ListenerMaterial, TICKET_KEY_BYTES } from "../tls/material.ts";
import { PemRefused, readAuthorities, readPair } from "../tls/pem-file.ts";
import { type ArtifactWatch, watchArtifacts } from "./watch.ts";

export interface CertificatesOwner {
  /** Other files than before: for every worker, from the next handshake on. */
  renewed(listener: number, material: ListenerMaterial): void;
  /** A sentence for the log: what there was before goes on. */
  refused(sentence: string): void;
}

/** The listeners' certificates and keys: read in the main thread, and read again when their files change. */
export class Certificates {
  readonly #listen: readonly ListenConfig[];
  readonly #owner: CertificatesOwner;
  readonly #watch: ArtifactWatch;
  readonly #materials: (ListenerMaterial | null)[];
  #gathering: NodeJS.Timeout | undefined;

  /** Throws a `PemRefused` when a file cannot be used. */
  constructor(listen: readonly ListenConfig[], owner: CertificatesOwner) {
    this.#listen = listen;
    this.#owner = owner;
    this.#watch = watchArtifacts({
      onChange: () => this.#changed(),
      onError: (sentence) => owner.refused(sentence),
    });
    try {
      // Before they are read, so that a change in between is told.
      this.#watch.set(listen.flatMap(({ tls }) => (tls === null ? [] : filesOf(tls))));
      this.#materials = listen.map(({ tls }) => (tls === null ? null : read(tls)));
    } catch (error) {
      void this.#watch.close();
      throw error;
    }
  }

  /** By listener; null for one in the clear. */
  get materials(): readonly (ListenerMaterial | null)[] {
    return this.#materials;
  }

  async close(): Promise<void> {
    clearTimeout(this.#gathering);
    await this.#watch.close();
  }

  /** A certificate and its key are two files: one moment serves the changes of both. */
  #changed(): void {
    clearTimeout(this.#gathering);
    this.#gathering = setTimeout(() => {
      for (const [at, { tls }] of this.#listen.entries()) if (tls !== null) this.#readAgain(at, tls);
    }, GATHER_MS);
  }

  #readAgain(at: number, tls: ListenTls): void {
    try {
      const next = read(tls);
      if (sameFiles(next, this.#materials[at] as ListenerMaterial)) return;
      this.#materials[at] = next;
      this.#owner.renewed(at, next);
    } catch (error) {
      if (!(error instanceof PemRefused)) throw error;
      this.#owner.refused(`certificates stay as they were: ${error.message}`);
    }
  }
}

function read(tls: ListenTls): ListenerMaterial {
  return {
    pairs: tls.certificates.map(({ cert, key }) => readPair(cert, key)),
    minVersion: tls.minVersion,
    clientCa: tls.clientCa === null ? null : readAuthorities(tls.clientCa),
    clientCertificates: tls.clientCertificates,
    ticketKey: randomBytes(TICKET_KEY_BYTES),
  };
}

function filesOf({ certificates, clientCa }: ListenTls): string[] {
  const files = certificates.flatMap(({ cert, key }) => [cert, key]);
  return clientCa === null ? files : [...files, clientCa];
}

function sameFiles(one: ListenerMaterial, other: ListenerMaterial): boolean {
  return JSON.stringify([one.pairs, one.clientCa]) === JSON.stringify([other.pairs, other.clientCa]);
}

const GATHER_MS = 100;
