import { join } from "node:path";
import type { RegistryConfig } from "../../host/config/config.ts";
import { Registries, type RegistryOptions } from "../../host/oci/registries.ts";

/** Registries with the bounds of a host, of which a test changes what it is about. */
export class TestRegistries extends Registries implements AsyncDisposable {
  constructor(options: Partial<RegistryOptions> = {}) {
    super({
      registries: [],
      credentials: join("/nonexistent", "config.json"),
      timeoutMs: 10_000,
      componentBytesMax: 64 * 1_024 * 1_024,
      ...options,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** How one registry is spoken with: in the clear, unless a test says otherwise. */
export function spokenWith(registry: string, how: Partial<RegistryConfig> = {}): RegistryConfig {
  return { registry, insecure: true, ca: null, credentials: null, ...how };
}

/** The sentence of a refusal; fails when there is none. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Error && error.name === "ArtifactRefused") return error.message;
  throw error instanceof Error ? error : new Error("it was not refused");
}
