import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import type { ListenerMaterial } from "./material.ts";

/** A listener's certificates in one worker, found by the name that a client asks for (RFC 6066 §3). */
export class Identities {
  readonly #exact = new Map<string, SecureContext>();
  /** `example.com` for `*.example.com`, which stands for one label (RFC 9525 §6.3). */
  readonly #below = new Map<string, SecureContext>();

  constructor(material: ListenerMaterial) {
    for (const [at, { cert }] of material.pairs.entries()) {
      const context = createSecureContext(contextOptions(material, at));
      for (const name of namesOf(cert)) {
        const [names, key] = name.startsWith("*.")
          ? ([this.#below, name.slice(2)] as const)
          : ([this.#exact, name] as const);
        // The first certificate for a name has it.
        if (!names.has(key)) names.set(key, context);
      }
    }
  }

  /** Undefined when no certificate is for this name: then the first one is as good as any. */
  find(name: string): SecureContext | undefined {
    const lower = name.toLowerCase();
    return this.#exact.get(lower) ?? this.#below.get(lower.slice(lower.indexOf(".") + 1));
  }
}

/** What one of a listener's certificates is used with. */
export function contextOptions(material: ListenerMaterial, at: number): SecureContextOptions {
  const { pairs, minVersion, clientCa, ticketKey } = material;
  return {
    ...pairs[at],
    ...(clientCa === null ? {} : { ca: clientCa }),
    minVersion,
    ticketKeys: Buffer.from(ticketKey),
    // A session that was verified is resumed only where this is the same, whichever certificate was chosen.
    sessionIdContext: "sluice",
  };
}

/** The names that a certificate is for. The subject's common name is none of them (RFC 9525 §2). */
function namesOf(cert: string): string[] {
  const { subjectAltName = "" } = new X509Certificate(cert);
  return [...subjectAltName.matchAll(/(?:^|, )DNS:([^,"]+)/g)].map(([, name = ""]) => name.toLowerCase());
}
