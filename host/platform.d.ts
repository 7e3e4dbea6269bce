/**
 * What Node 26 has and `@types/node` leaves out. The alternative, TypeScript's `dom` library, would also declare
 * `name`, `close`, `event` and hundreds of other globals that Node has not, and hide a forgotten import.
 */
declare namespace WebAssembly {
  type ExternalKind = "function" | "table" | "memory" | "global" | "tag";
  type ExportValue = Function | Memory | Global | Table;
  type ImportValue = ExportValue | Suspending | number | bigint;
  type Exports = Record<string, ExportValue>;
  type Imports = Record<string, Record<string, ImportValue>>;

  class Module {
    constructor(bytes: ArrayBuffer | ArrayBufferView<ArrayBuffer>);
    static exports(module: Module): { name: string; kind: ExternalKind }[];
    static imports(module: Module): { module: string; name: string; kind: ExternalKind }[];
    static customSections(module: Module, name: string): ArrayBuffer[];
  }

  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Exports;
  }

  class Memory {
    constructor(descriptor: { initial: number; maximum?: number });
    /** Replaced by another one whenever the memory grows. */
    readonly buffer: ArrayBuffer;
    /** In pages of 64 KiB. Gives the size before. */
    grow(pages: number): number;
  }

  class Global<Value extends number | bigint = number> {
    constructor(descriptor: { value: "i32" | "i64" | "f32" | "f64"; mutable?: boolean }, value?: Value);
    value: Value;
  }

  class Table {
    readonly length: number;
    get(index: number): Function | null;
    set(index: number, value: Function | null): void;
  }

  class CompileError extends Error {}
  class LinkError extends Error {}
  /** A trap. */
  class RuntimeError extends Error {}

  /** An import that may wait: the instance is suspended until the promise settles. */
  class Suspending {
    constructor(work: (...values: never[]) => unknown);
  }

  /** An export that may call such an import: it gives a promise of what it returns. */
  function promising(exported: Function): (...values: never[]) => Promise<unknown>;

  function compile(bytes: ArrayBuffer | ArrayBufferView<ArrayBuffer>): Promise<Module>;
  function validate(bytes: ArrayBuffer | ArrayBufferView<ArrayBuffer>): boolean;
}

/** Buffer's own encoders: documented nowhere, used by Node's http and by undici, several times faster than the generic ones. */
interface Buffer {
  latin1Slice(start?: number, end?: number): string;
  utf8Slice(start?: number, end?: number): string;
  latin1Write(text: string, start?: number, length?: number): number;
  utf8Write(text: string, start?: number, length?: number): number;
}
