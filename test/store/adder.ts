import { parentPort, workerData } from "node:worker_threads";
import { SharedStore } from "../../host/store/shared-store.ts";
import { Texts } from "./model.ts";

/** Adds to counters and puts values in their places, one turn after the other. */
const { buffer, owner, turns, done } = workerData as {
  buffer: SharedArrayBuffer;
  owner: number;
  /** Infinite for one that is to be ended. */
  turns: number;
  /** Turns that are over. */
  done: Int32Array<SharedArrayBuffer>;
};
const store = new Texts(new SharedStore(buffer, owner));
for (let turn = 0; turn < turns; turn++) {
  store.add(`counter ${turn % 7}`, 1n);
  store.set(`value ${turn % 5}`, String(owner % 10).repeat(1 + ((turn * 37) % 400)));
  if (turn % 11 === 0) store.delete(`value ${turn % 3}`);
  Atomics.add(done, 0, 1);
  Atomics.notify(done, 0);
}
parentPort?.postMessage("done");
