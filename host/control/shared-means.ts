import { randomBytes } from "node:crypto";
import { AddressKey } from "../address-key.ts";
import { SharedStore } from "../store/shared-store.ts";
import type { WorkerData } from "./messages.ts";

/** What all threads of a process are born with. Its memory outlives every one of them. */
export type SharedMeans = Pick<WorkerData, "viaName" | "addressKey" | "store" | "instances">;

export function sharedMeans(storeBytes: number): SharedMeans {
  return {
    // Unlike that of any other process: a request that comes with it has been here before (RFC 9110 §7.6.3).
    viaName: `sluice-${randomBytes(4).toString("hex")}`,
    addressKey: AddressKey.memory(),
    store: SharedStore.memory(storeBytes),
    instances: new Int32Array(new SharedArrayBuffer(4)),
  };
}
