/** What is asked of every proxy alike: one row of the table. */
export interface Row {
  readonly name: string;
  readonly title: string;
  /** The last segment of the path, by which the upstream knows its answer. */
  readonly answer: string;
  readonly connections: number;
  readonly tls: boolean;
  /** The length of the request's body; 0: a GET. */
  readonly bodyBytes: number;
  /** Requests a second, whatever becomes of those before; 0: each connection asks again when it has its answer. */
  readonly rate: number;
}

const KIB = 1_024;
const GET = { answer: "1k", connections: 64, tls: false, bodyBytes: 0, rate: 0 };

/** The row in which filters and logs are measured, too. */
export const MAIN_ROW = "1k";

export const ROWS: readonly Row[] = [
  { ...GET, name: MAIN_ROW, title: "1 KiB" },
  { ...GET, name: "0", title: "empty body", answer: "0" },
  { ...GET, name: "10k", title: "10 KiB", answer: "10k" },
  { ...GET, name: "100k", title: "100 KiB", answer: "100k" },
  { ...GET, name: "1m", title: "1 MiB", answer: "1m" },
  { ...GET, name: "chunked", title: "100 KiB in 25 chunks", answer: "chunked" },
  { ...GET, name: "c1", title: "1 KiB, 1 connection", connections: 1 },
  { ...GET, name: "c1000", title: "1 KiB, 1 000 connections", connections: 1_000 },
  { ...GET, name: "tls", title: "1 KiB over TLS", tls: true },
  { ...GET, name: "tls100k", title: "100 KiB over TLS", answer: "100k", tls: true },
  { ...GET, name: "post1k", title: "POST of 1 KiB", bodyBytes: KIB },
  { ...GET, name: "post100k", title: "POST of 100 KiB", bodyBytes: 100 * KIB },
  { ...GET, name: "rate1000", title: "1 000 a second", rate: 1_000 },
  { ...GET, name: "rate3000", title: "3 000 a second", rate: 3_000 },
];

/** The most connections that any row has: what contenders are set up for. */
export const CONNECTIONS_MAX: number = Math.max(...ROWS.map(({ connections }) => connections));

/** The rows of these names, in the table's order; all of them when none is named. */
export function rowsNamed(names: readonly string[]): Row[] {
  const unknown = names.find((name) => ROWS.every((row) => row.name !== name));
  if (unknown !== undefined)
    throw new Error(`${unknown} is none of the rows ${ROWS.map(({ name }) => name).join(", ")}`);
  return ROWS.filter(({ name }) => names.length === 0 || names.includes(name));
}
