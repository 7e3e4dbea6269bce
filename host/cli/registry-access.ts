import { resolve } from "node:path";
import { dockerConfigFile } from "../config/docker-config.ts";
import { HOST_LIMITS } from "../config/limits.ts";
import { isLoopback, readOciReference } from "../config/oci-reference.ts";
import { HOST_TIMEOUTS } from "../config/timeouts.ts";
import { Registries } from "../oci/registries.ts";

/** How a command speaks with the registry that it is given. */
export interface RegistryFlags {
  readonly credentials?: string | undefined;
  readonly ca?: string | undefined;
  readonly insecure?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** The one registry of a command, with the bounds that a host has by default. */
export function openRegistries(reference: string, { credentials, ca, insecure }: RegistryFlags): Registries {
  // What is no reference is refused where it is used.
  const read = readOciReference(reference);
  const registries =
    typeof read === "string"
      ? []
      : [
          {
            registry: read.registry,
            insecure: insecure ?? (ca === undefined && isLoopback(read.registry)),
            ca: ca === undefined ? null : resolve(ca),
            credentials: credentials === undefined ? null : resolve(credentials),
          },
        ];
  return new Registries({
    registries,
    credentials: dockerConfigFile(),
    timeoutMs: HOST_TIMEOUTS.registryMs.default,
    componentBytesMax: HOST_LIMITS.componentBytesMax.default,
  });
}

/** The files that a component's signatures are in, by kind. */
export const SIGNATURE_ENDINGS = { sigstore: ".sigstore.json", key: ".sig" } as const;
