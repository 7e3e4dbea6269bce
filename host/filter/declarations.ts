/** An interface's items, by name: `request.set-header` → `(name: string, value: Uint8Array): void`. */
export type Declarations = Record<string, string>;

/**
 * Reads the items of one interface from the TypeScript that jco writes for it.
 *
 * It is the one place where a component's own idea of the contract can be read with names and types; core signatures
 * alone cannot tell a string from a list of bytes.
 */
export function declarationsOf(source: string): Declarations {
  const items: Declarations = {};
  const text = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\s+/g, " ");
  for (const [, kind, name, rest] of text.matchAll(
    /export (function|type|interface|class) (\w+)(.*?)(?= export |\s*$)/g,
  )) {
    if (kind === undefined || name === undefined || rest === undefined) continue;
    if (kind === "class") Object.assign(items, methodsOf(kebab(name), rest));
    else items[kebab(name)] = rest.trim().replace(/;$/, "").trim();
  }
  return items;
}

/** What `mine` has that `theirs` has not, or has otherwise: the first difference, as a sentence's end. */
export function firstDifference(mine: Declarations, theirs: Declarations): string | undefined {
  for (const [name, shape] of Object.entries(mine)) {
    const wanted = theirs[name];
    if (wanted === undefined) return `${name} is not part of it`;
    if (wanted !== shape) return `${name} is ${wanted} there, and ${shape} in the component`;
  }
  return undefined;
}

function methodsOf(resource: string, body: string): Declarations {
  const methods: Declarations = {};
  for (const [, fixed, name, signature] of body.matchAll(
    /(static )?(\w+)(\([^;{}]*?\)(?:: [^;{}]+)?)(?=;| \w+\(| static | \}|\s*$)/g,
  )) {
    if (name === undefined || signature === undefined || name === "constructor") continue;
    methods[`${resource}.${kebab(name)}`] = (fixed ?? "") + signature.trim();
  }
  return methods;
}

function kebab(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1-$2").toLowerCase();
}
