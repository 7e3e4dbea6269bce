import { addCells } from "./buckets.ts";
import { type CustomSnapshot, keyOf, OTHER } from "./custom-metrics.ts";
import { histogram, type Sample } from "./sample.ts";

/** A metric of filters, in the shape that the client library exports. */
export interface Family {
  readonly name: string;
  readonly type: CustomSnapshot["kind"];
  readonly help: string;
  readonly values: Sample[];
}

/**
 * Which series of filters' metrics are shown: the first ones that came, and all beyond as one. Each worker has such a bound for
 * itself; this one holds for all together, and for those that have been replaced.
 */
export class ShownSeries {
  /** By filter and metric. */
  readonly #shown = new Map<string, Set<string>>();

  bounded(all: readonly CustomSnapshot[]): CustomSnapshot[] {
    return all.map((metric) => {
      const key = keyOf([metric.filter, metric.name]);
      const shown = this.#shown.get(key) ?? new Set<string>();
      this.#shown.set(key, shown);
      return { ...metric, series: folded(metric, shown) };
    });
  }

  /** Only these are declared by anybody. */
  keep(all: readonly CustomSnapshot[]): void {
    const declared = new Set(all.map(({ filter, name }) => keyOf([filter, name])));
    for (const key of this.#shown.keys()) if (!declared.has(key)) this.#shown.delete(key);
  }
}

/** A series that was shown stays, so that its counter does not go back. */
function folded({ series, seriesMax }: CustomSnapshot, shown: Set<string>): CustomSnapshot["series"] {
  const sums = new Map<string, CustomSnapshot["series"][number]>();
  for (const [values, cells] of series) {
    const others = values.map(() => OTHER);
    const key = keyOf(values);
    if (shown.size < seriesMax && key !== keyOf(others)) shown.add(key);
    const kept = shown.has(key) ? values : others;
    const sum = sums.get(keyOf(kept));
    sums.set(keyOf(kept), [kept, sum === undefined ? cells : addCells(sum[1], cells)]);
  }
  return [...sums.values()];
}

/** One family for each name, whichever filters have declared it; its help is the first one's. */
export function customFamilies(all: readonly CustomSnapshot[]): Family[] {
  const families = new Map<string, Family>();
  for (const metric of all) {
    const name = `${PREFIX}${metric.name}`;
    const { kind: type, help } = metric;
    const family = families.get(name) ?? { name, type, help, values: [] };
    families.set(name, family);
    // Two workers may differ while a change is under way: one family has one type.
    if (family.type === type) family.values.push(...samplesOf(name, metric));
  }
  return [...families.values()];
}

function samplesOf(name: string, { kind, filter, labels: names, bounds, series }: CustomSnapshot): Sample[] {
  return series.flatMap(([values, cells]) => {
    const labels: Record<string, string> = { filter };
    names.forEach((label, index) => {
      labels[label] = values[index] ?? "";
    });
    return kind === "histogram" ? histogram(name, labels, bounds, cells) : [{ value: cells[0] ?? 0, labels }];
  });
}

const PREFIX = "sluice_filter_custom_";
