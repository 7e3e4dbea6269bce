import type { CustomSnapshot } from "./custom-metrics.ts";
import { histogram, type Sample } from "./sample.ts";

/** A metric of filters, in the shape that the client library exports. */
export interface Family {
  readonly name: string;
  readonly type: CustomSnapshot["kind"];
  readonly help: string;
  readonly values: Sample[];
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
