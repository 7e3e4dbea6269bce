/**
 * Where code of a rewritten module was in the original one, which symbols and lines are known of.
 *
 * The meter moves code and renumbers nothing: functions keep their numbers and names, and a custom section of the module
 * maps offsets. docs/decisions/0007-fuel-in-the-code.md has its encoding.
 */
export class OffsetMap {
  /** Growing, both from the first byte of their module. */
  readonly #rewritten: number[] = [];
  readonly #original: number[] = [];

  constructor(module: WebAssembly.Module) {
    const [section] = WebAssembly.Module.customSections(module, "sluice-meter:offsets");
    if (section === undefined) return;
    const bytes = new Uint8Array(section);
    let at = 0;
    const next = (): number => {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++] ?? 0;
        value += (byte & 0x7f) * 2 ** shift;
        if (byte < 0x80) return value;
      }
    };
    let rewritten = 0;
    let original = 0;
    for (let left = next(); left > 0; left--) {
      this.#rewritten.push((rewritten += next()));
      this.#original.push((original += next()));
    }
  }

  /** What was put in stands for the byte that it was put before. Undefined where no code of the original module is. */
  original(offset: number): number | undefined {
    let low = 0;
    let high = this.#rewritten.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#rewritten[middle] as number) <= offset) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return undefined;
    const moved = (this.#original[low - 1] as number) + offset - (this.#rewritten[low - 1] as number);
    return Math.min(moved, this.#original[low] ?? moved);
  }
}
