import type { FieldList } from "../message.ts";

/** Fields of the same name in their order: what may be moved as a whole. */
type Group = readonly [name: string, value: string][];

/** A way to write the same fields that means the same. */
export interface Rewriting {
  /** What was done, for a sentence: `the fields in reverse`. */
  readonly what: string;
  readonly fields: FieldList;
}

/** Other orders, and other cases of names: all at once. */
export function rewritings(fields: Readonly<FieldList>): Rewriting[] {
  const groups = groupsOf(fields);
  const named = (what: string, spell: (name: string) => string): Rewriting => ({
    what,
    fields: fields.map((text, at) => (at % 2 === 0 ? spell(text) : text)),
  });
  return [
    ...(groups.length > 1 ? [{ what: "fields in reverse", fields: flat(groups.toReversed()) }] : []),
    ...(groups.length > 2
      ? [
          {
            what: "fields from the middle on",
            fields: flat([...groups.slice(groups.length >> 1), ...groups.slice(0, groups.length >> 1)]),
          },
        ]
      : []),
    named("names in upper case", (name) => name.toUpperCase()),
    named("names in lower case", (name) => name.toLowerCase()),
  ];
}

/** The same, one step each: two neighbours changed, one name spelt otherwise. */
export function singleRewritings(fields: Readonly<FieldList>): Rewriting[] {
  const groups = groupsOf(fields);
  const nameOf = (group: Group): string => group[0]?.[0] ?? "";
  const swaps = groups.slice(1).map((group, at) => {
    const before = groups[at] as Group;
    const moved = groups.with(at, group).with(at + 1, before);
    return { what: `${nameOf(group)} before ${nameOf(before)}`, fields: flat(moved) };
  });
  const spellings = groups.flatMap((group, at) =>
    [(name: string) => name.toUpperCase(), (name: string) => name.toLowerCase()].flatMap((spell) => {
      const name = nameOf(group);
      const other = group.map(([, value]): [string, string] => [spell(name), value]);
      return spell(name) === name
        ? []
        : [{ what: `${spell(name)} for ${name}`, fields: flat(groups.with(at, other)) }];
    }),
  );
  return [...swaps, ...spellings];
}

function groupsOf(fields: Readonly<FieldList>): Group[] {
  const groups = new Map<string, [string, string][]>();
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const group = groups.get(name.toLowerCase()) ?? [];
    groups.set(name.toLowerCase(), group);
    group.push([name, fields[at + 1] as string]);
  }
  return [...groups.values()];
}

function flat(groups: readonly Group[]): FieldList {
  return groups.flat(2);
}
