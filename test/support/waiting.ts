import { expect } from "vitest";

/** How long something may take that is about to happen. What takes longer has failed. */
export const PATIENCE_MS = 10_000;

/** Looks again and again until there is something other than `undefined` or `false`; fails with `what` when that takes too long. */
export async function waitFor<Found>(
  what: string,
  look: () => Found | Promise<Found>,
  patienceMs: number = PATIENCE_MS,
): Promise<Exclude<Found, undefined | false>> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as Exclude<Found, undefined | false>;
    if (performance.now() > deadline) expect.fail(`${what}: not within ${patienceMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** The promise's value; fails with `what` when it takes too long. */
export async function within<Value>(
  what: string,
  promise: Promise<Value>,
  patienceMs: number = PATIENCE_MS,
): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    try {
      expect.fail(`${what}: not within ${patienceMs} ms`);
    } catch (error) {
      reject(error);
    }
  }, patienceMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

const LOOK_AGAIN_MS = 5;
