import type { Part } from "../../store/store.ts";
import type { GuestMemory } from "../guest-memory.ts";
import type { Services } from "../services.ts";
import type { CoreImports } from "./core.ts";
import { storeFault, StoreRefused } from "./store.ts";

export function coreRateLimit(memory: () => GuestMemory, services: Services): CoreImports {
  return {
    "sluice:filter/rate-limit@0.1.0": {
      take: (
        at: number,
        length: number,
        limit: number,
        periodMs: bigint,
        burst: number,
        cost: number,
        out: number,
      ) => {
        const guest = memory();
        guest.check(at >>> 0, length >>> 0);
        const key: Part = { bytes: guest.bytes, at: at >>> 0, length: length >>> 0 };
        const period = Number(BigInt.asUintN(64, periodMs));
        const left = services.store.take(key, limit >>> 0, period, burst >>> 0, cost >>> 0);
        if (typeof left === "string") return storeFault(guest, left, out, out + 8);
        storeVerdict(guest, left, out);
      },
    },
  };
}

/** How many more could come at once; below zero, in how many milliseconds it would be allowed. */
export function storeVerdict({ view }: GuestMemory, left: number, out: number): void {
  view.setUint8(out, 0);
  view.setUint8(out + 8, left >= 0 ? 0 : 1);
  if (left >= 0) view.setUint32(out + 16, left, true);
  else view.setBigUint64(out + 16, BigInt(-left), true);
}

export function referenceRateLimit(services: Services): Record<string, Record<string, unknown>> {
  return {
    "sluice:filter/rate-limit": {
      take: (key: Uint8Array, { limit, periodMs, burst }: JcoRate, cost: number) => {
        const part: Part = { bytes: key, at: 0, length: key.length };
        const left = services.store.take(part, limit, Number(periodMs), burst, cost);
        if (typeof left === "string") throw new StoreRefused(left);
        return left >= 0 ? { tag: "allowed", val: left } : { tag: "refused", val: BigInt(-left) };
      },
    },
  };
}

interface JcoRate {
  readonly limit: number;
  readonly periodMs: bigint;
  readonly burst: number;
}
