import { CORE_MODULE, CUSTOM, customNameOf, numberAt, sectionsOf } from "../filter/sections.ts";

/** What a component says it was made with: by field (`language`, `processed-by`, `sdk`), each program with its version. */
export type Producers = Readonly<Record<string, readonly string[]>>;

/** Of the component and its modules together, each program once. */
export function producersOf(component: Uint8Array): Producers {
  const found = new Map<string, Set<string>>();
  collect(component, found);
  return Object.fromEntries([...found].map(([field, programs]) => [field, [...programs].sort()]));
}

function collect(bytes: Uint8Array, found: Map<string, Set<string>>): void {
  for (const section of sectionsOf(bytes)) {
    if (section.id === CORE_MODULE && section.contents[0] === 0) collect(section.contents, found);
    if (section.id !== CUSTOM) continue;
    const { name, end } = customNameOf(section);
    if (name === "producers") read(new Reader(section.contents, end), found);
  }
}

/** A list of fields, each a name and a list of programs, each a name and a version. */
function read(reader: Reader, found: Map<string, Set<string>>): void {
  for (let fields = reader.number(); fields > 0 && !reader.ended; fields -= 1) {
    const field = reader.text();
    const programs = found.get(field) ?? new Set();
    found.set(field, programs);
    for (let count = reader.number(); count > 0 && !reader.ended; count -= 1)
      programs.add(`${reader.text()} ${reader.text()}`.trimEnd());
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Nothing is left: a count that says otherwise is wrong. */
  get ended(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(): number {
    const { value, end } = numberAt(this.#bytes, this.#at);
    this.#at = end;
    return value;
  }

  text(): string {
    const length = this.number();
    const start = this.#at;
    this.#at += length;
    return new TextDecoder().decode(this.#bytes.subarray(start, this.#at));
  }
}
