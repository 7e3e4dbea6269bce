/**
 * The lock of one shard, held for some hundred nanoseconds. The word is 0, or the holder's id, and CONTENDED as well once
 * somebody waits: whoever holds it can be told, so that what a dead holder leaves behind can be put in order.
 */
export class ShardLock {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #at: number;
  readonly #owner: number;

  /** `owner` is the id of this thread, unlike that of any other one before it. */
  constructor(words: Int32Array<SharedArrayBuffer>, at: number, owner: number) {
    this.#words = words;
    this.#at = at;
    this.#owner = owner;
  }

  /** False when nobody has given it free for a long time. */
  take(): boolean {
    return Atomics.compareExchange(this.#words, this.#at, 0, this.#owner) === 0 || this.#wait();
  }

  release(): void {
    const was = Atomics.exchange(this.#words, this.#at, 0);
    if ((was & CONTENDED) !== 0) Atomics.notify(this.#words, this.#at, 1);
  }

  heldBy(owner: number): boolean {
    return (Atomics.load(this.#words, this.#at) & ~CONTENDED) === owner;
  }

  #wait(): boolean {
    for (let turn = 0; turn < SPINS; turn++)
      if (Atomics.compareExchange(this.#words, this.#at, 0, this.#owner) === 0) return true;
    // From here on it is taken as contended: there may be others who wait, and each must be woken by the one before.
    const mine = this.#owner | CONTENDED;
    const deadline = performance.now() + WAIT_MS;
    while (performance.now() < deadline) {
      const seen = Atomics.load(this.#words, this.#at);
      if (seen === 0) {
        if (Atomics.compareExchange(this.#words, this.#at, 0, mine) === 0) return true;
        continue;
      }
      const contended = seen | CONTENDED;
      if (seen === contended || Atomics.compareExchange(this.#words, this.#at, seen, contended) === seen)
        Atomics.wait(this.#words, this.#at, contended, SLEEP_MS);
    }
    return false;
  }
}

const CONTENDED = 0x4000_0000;

/** About ten microseconds: longer than anybody holds it who is not interrupted. */
const SPINS = 300;

/** A thread that is ended while it holds a lock is found within about a tenth of a second. */
const WAIT_MS = 500;

/** A wake-up that is lost with a thread costs no more than this. */
const SLEEP_MS = 5;
