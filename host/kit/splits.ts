import type { BodyScript } from "./message-input.ts";
import { SeededRandom } from "./seeded-random.ts";

/**
 * Where a body is cut: ascending offsets. The same offset twice makes an empty chunk, and so do 0 and the length.
 */
export type Cuts = readonly number[];

/** A body in these chunks. An empty chunk behind the last byte comes only where the length is not known before. */
export function cutBody(body: BodyScript, cuts: Cuts): BodyScript {
  const bytes = Buffer.concat(body.chunks);
  const chunks: Buffer[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    chunks.push(bytes.subarray(from, cut));
    from = cut;
  }
  return { ...body, chunks, length: cuts.includes(bytes.length) ? -1 : body.length };
}

/**
 * The splits to be tried, those that are easiest to understand first: whole, in two, in three, with empty chunks, byte by byte.
 * Of a short body all, of a longer one a sample, the same each time.
 */
export function* splitsOf(length: number): Generator<Cuts> {
  yield [];
  if (length === 0) return;
  const random = new SeededRandom(length);
  const singles = length - 1;
  if (singles <= SINGLES_MAX) for (let at = 1; at < length; at++) yield [at];
  else for (const at of sample(random, singles, SINGLES_MAX)) yield [at + 1];
  const doubles = (singles * (singles - 1)) / 2;
  if (doubles <= DOUBLES_MAX) {
    for (let one = 1; one < length; one++)
      for (let other = one + 1; other < length; other++) yield [one, other];
  } else {
    for (let count = 0; count < DOUBLES_MAX; count++) {
      const one = 1 + random.below(singles);
      const other = 1 + random.below(singles);
      if (one !== other) yield one < other ? [one, other] : [other, one];
    }
  }
  const middle = length >> 1;
  yield [0];
  yield [middle, middle];
  yield [length];
  yield bytewise(length);
}

/**
 * A smaller split that still fails: fewest chunks, then the earliest offsets, as far as a bounded number of tries goes.
 */
export async function shrunk(cuts: Cuts, failing: (cuts: Cuts) => Promise<boolean>): Promise<Cuts> {
  let tries = 0;
  const fails = async (fewer: Cuts): Promise<boolean> => {
    tries += 1;
    return tries <= TRIES_MAX && (await failing(fewer));
  };
  let best = [...cuts];
  // Parts first, so that byte by byte becomes a few in a few steps.
  for (let part = Math.ceil(best.length / 2); part >= 1; part = part === 1 ? 0 : Math.ceil(part / 2)) {
    for (let at = 0; at < best.length; ) {
      const fewer = best.toSpliced(at, part);
      if (await fails(fewer)) best = fewer;
      else at += part;
    }
  }
  for (let at = 0; at < best.length; at++) {
    const least = at === 0 ? 1 : (best[at - 1] as number) + 1;
    for (
      let earlier = least, tried = 0;
      earlier < (best[at] as number) && tried < EARLIER_MAX;
      earlier++, tried++
    ) {
      const moved = best.with(at, earlier);
      if (await fails(moved)) {
        best = moved;
        break;
      }
    }
  }
  return best;
}

function bytewise(length: number): Cuts {
  const step = Math.max(1, Math.ceil(length / CHUNKS_MAX));
  const cuts: number[] = [];
  for (let at = step; at < length; at += step) cuts.push(at);
  return cuts;
}

/** Ascending and different, the first and the last among them: there the boundaries are that are missed most often. */
function sample(random: SeededRandom, count: number, most: number): number[] {
  const places = new Set([0, 1, count - 2, count - 1]);
  while (places.size < most) places.add(random.below(count));
  return [...places].toSorted((one, other) => one - other);
}

const SINGLES_MAX = 200;
const DOUBLES_MAX = 300;
/** Of a long body: this many pieces instead of bytes. */
const CHUNKS_MAX = 2_048;
const EARLIER_MAX = 200;
/** A body of two thousand pieces takes two milliseconds each time. */
const TRIES_MAX = 1_000;
