/** Upper bounds of `sluice_exchange_duration_seconds`: OpenTelemetry's for http.server.request.duration. */
export const EXCHANGE_BOUNDS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

/** Upper bounds of `sluice_filter_call_duration_seconds`: from one microsecond, a call that does nothing, to a tenth of a second. */
export const CALL_BOUNDS: readonly number[] = [
  1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 1e-1,
];

/** Upper bounds of the time until a server's head, and of all that is waited for: from half a millisecond, a server on the same machine. */
export const WAIT_BOUNDS: readonly number[] = [
  5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Upper bounds of `sluice_exchange_overhead_seconds`: an exchange costs some tens of microseconds, and more where it has to wait. */
export const OVERHEAD_BOUNDS: readonly number[] = [
  1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 1,
];

/** Upper bounds of `sluice_worker_loop_delay_seconds`: below a millisecond the timer itself is not more exact. */
export const LOOP_BOUNDS: readonly number[] = [1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1];

/** The cells of a histogram: one for each bound, one for what is more, then the sum. */
export function cellsOf(bounds: readonly number[]): Float64Array {
  return new Float64Array(bounds.length + 2);
}

/** Counts one value in the histogram that begins at `start`. A scan beats a binary search here: most values fall into the first buckets. */
export function observe(
  cells: Float64Array,
  start: number,
  bounds: readonly number[],
  seconds: number,
): number {
  // A clock that stood still or went back must not poison the sum, which would stay NaN for good.
  const value = seconds > 0 ? seconds : 0;
  let bucket = 0;
  while (bucket < bounds.length && value > bounds[bucket]!) bucket += 1;
  cells[start + bucket]! += 1;
  cells[start + bounds.length + 1]! += value;
  return bucket;
}

/** The sum, cell by cell. */
export function addCells(one: Float64Array, other: Float64Array): Float64Array {
  return one.map((value, cell) => value + other[cell]!);
}
