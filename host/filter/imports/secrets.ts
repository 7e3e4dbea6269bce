import type { GuestMemory } from "../guest-memory.ts";
import type { Services } from "../services.ts";
import type { CoreImports } from "./core.ts";

export function coreSecrets(memory: () => GuestMemory, services: Services): CoreImports {
  return {
    "sluice:filter/secrets@0.1.0": {
      secret: (at: number, length: number, out: number) => {
        const guest = memory();
        const value = services.secrets.secret(guest.utf8(at, length));
        guest.view.setUint8(out, value === undefined ? 0 : 1);
        if (value !== undefined) guest.storeBytes(value, out + 4);
      },
    },
  };
}

export function referenceSecrets(services: Services): Record<string, Record<string, unknown>> {
  return { "sluice:filter/secrets": { secret: (name: string) => services.secrets.secret(name) } };
}
