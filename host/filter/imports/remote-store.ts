import type { GuestMemory } from "../guest-memory.ts";
import type { RemoteAccess } from "../store-access.ts";
import type { CoreImports } from "./core.ts";
import { storeVerdict } from "./rate-limit.ts";
import { lifetimeOf, storeExchanged, storeFault, storeOption } from "./store.ts";

/** `store`, lowered by hand, where it is on a server: to the guest its functions are calls that take a while. */
export function coreRemoteStore(memory: () => GuestMemory, store: RemoteAccess): CoreImports {
  return {
    "sluice:filter/store@0.1.0": {
      get: waiting(async (at: number, length: number, out: number) => {
        const found = await store.get(copied(memory(), at, length));
        const guest = memory();
        if (typeof found === "string") return storeFault(guest, found, out, out + 4);
        guest.view.setUint8(out, 0);
        storeOption(guest, found, out + 4);
      }),
      set: waiting(
        async (
          at: number,
          length: number,
          from: number,
          size: number,
          life: number,
          ms: bigint,
          out: number,
        ) => {
          const lifetime = lifetimeOf(life, ms);
          done(
            memory,
            await store.set(copied(memory(), at, length), copied(memory(), from, size), lifetime),
            out,
          );
        },
      ),
      delete: waiting(async (at: number, length: number, out: number) => {
        done(memory, await store.delete(copied(memory(), at, length)), out);
      }),
      "compare-and-set": waiting(
        async (
          at: number,
          length: number,
          hasExpected: number,
          expectedAt: number,
          expectedLength: number,
          from: number,
          size: number,
          life: number,
          ms: bigint,
          out: number,
        ) => {
          const expected = hasExpected === 0 ? undefined : copied(memory(), expectedAt, expectedLength);
          const lifetime = lifetimeOf(life, ms);
          const result = await store.compareAndSet(
            copied(memory(), at, length),
            expected,
            copied(memory(), from, size),
            lifetime,
          );
          storeExchanged(memory(), result, out);
        },
      ),
      add: waiting(
        async (at: number, length: number, amount: bigint, life: number, ms: bigint, out: number) => {
          const result = await store.add(copied(memory(), at, length), amount, lifetimeOf(life, ms));
          const guest = memory();
          if (typeof result === "string") return storeFault(guest, result, out, out + 8);
          guest.view.setUint8(out, 0);
          guest.view.setBigInt64(out + 8, result, true);
        },
      ),
    },
  };
}

/** The same of `rate-limit`. */
export function coreRemoteRateLimit(memory: () => GuestMemory, store: RemoteAccess): CoreImports {
  return {
    "sluice:filter/rate-limit@0.1.0": {
      take: waiting(
        async (
          at: number,
          length: number,
          limit: number,
          periodMs: bigint,
          burst: number,
          cost: number,
          out: number,
        ) => {
          const period = Number(BigInt.asUintN(64, periodMs));
          const left = await store.take(
            copied(memory(), at, length),
            limit >>> 0,
            period,
            burst >>> 0,
            cost >>> 0,
          );
          const guest = memory();
          if (typeof left === "string") return storeFault(guest, left, out, out + 8);
          storeVerdict(guest, left, out);
        },
      ),
    },
  };
}

/** The interfaces of the contract that wait where the store is on a server. */
export const STORED_ELSEWHERE: readonly string[] = [
  "sluice:filter/store@0.1.0",
  "sluice:filter/rate-limit@0.1.0",
];

/** Bytes that stay what they are while the guest waits. */
function copied(guest: GuestMemory, at: number, length: number): Buffer {
  const { buffer, byteOffset, byteLength } = guest.copy(at, length);
  return Buffer.from(buffer, byteOffset, byteLength);
}

function done(
  memory: () => GuestMemory,
  fault: Parameters<typeof storeFault>[1] | undefined,
  out: number,
): void {
  const guest = memory();
  if (fault === undefined) guest.view.setUint8(out, 0);
  else storeFault(guest, fault, out, out + 4);
}

/** What is no function can be no import, but this class makes imports (JSPI). */
function waiting(work: (...values: never[]) => Promise<void>): never {
  return new WebAssembly.Suspending(work) as never;
}
