/** Core functions by import module and name, as a component's main module asks for them. */
export type CoreImports = Record<string, Record<string, (...args: never[]) => unknown>>;
