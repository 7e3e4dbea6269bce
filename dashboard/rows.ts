import { useMemo } from "preact/hooks";

/** The rows of a section, the same list for as long as the section is the same. */
export function useRows<Row>(section: Readonly<Record<string, Row>> | undefined): [string, Row][] {
  return useMemo(() => Object.entries(section ?? {}), [section]);
}
