/** A panic calls ten functions of its own before it ends: with the engine's ten frames none would be left for the filter's code. */
export function deepStacks(): void {
  Error.stackTraceLimit = Math.max(Error.stackTraceLimit, FRAMES_MAX);
}

/** Code that is not optimized calls through many small functions. */
const FRAMES_MAX = 100;
