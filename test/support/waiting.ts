import assert from "node:assert/strict";

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
    if (performance.now() > deadline) assert.fail(`${what}: not within ${patienceMs} ms`);
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
  const timer = setTimeout(
    () => reject(new assert.AssertionError({ message: `${what}: not within ${patienceMs} ms` })),
    patienceMs,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until a number that grows has stopped growing, and gives it. */
export async function plateau(what: string, look: () => number): Promise<number> {
  let seen = { value: -1, since: performance.now() };
  await waitFor(`an end of the growth of ${what}`, () => {
    const value = look();
    if (value !== seen.value) seen = { value, since: performance.now() };
    return value > 0 && performance.now() - seen.since > STILL_MS;
  });
  return seen.value;
}

const LOOK_AGAIN_MS = 5;

/** What has not grown for so long will not grow any more. */
const STILL_MS = 500;
