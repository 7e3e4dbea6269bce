/** A metric, as it is declared once: for the exposition and for docs/metrics.md. */
export interface Metric {
  readonly type: "counter" | "gauge" | "histogram";
  readonly unit: string;
  readonly labels: readonly string[];
  /** For the exposition, in plain text. */
  readonly help: string;
  /** For the documentation, in Markdown, where there is more to say than the help does. */
  readonly meaning?: string;
  readonly series: Series;
}

/** Of what a metric has series. `trial` and `shadow` are filters that have one; `objective` is one of a route. */
export type Scope = "host" | "route" | "objective" | "filter" | "server" | "worker" | "trial" | "shadow";

export interface Series {
  readonly per: Scope;
  /** For each of these. */
  readonly most: number;
  /** A series is there from its first occurrence on, and not from the start. */
  readonly onceSeen: boolean;
}

/** So many for each, from the start. */
export function always(most: number, per: Scope = "host"): Series {
  return { per, most, onceSeen: false };
}

/** At most so many for each. */
export function onceSeen(most: number, per: Scope): Series {
  return { per, most, onceSeen: true };
}

/** The series of one histogram: its buckets, the one without a bound, the sum and the count. */
export function histogramSeries(bounds: readonly number[]): number {
  return bounds.length + 3;
}
