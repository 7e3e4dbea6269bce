import assert from "node:assert/strict";

export interface OpenSample {
  readonly name: string;
  readonly labels: string;
  readonly value: number;
  /** Its labels, its value, and Unix seconds. */
  readonly exemplar: { readonly labels: string; readonly value: number; readonly at: number } | undefined;
}

export interface OpenFamily {
  readonly name: string;
  readonly type: string;
  readonly samples: readonly OpenSample[];
}

/** Reads an exposition by the rules of OpenMetrics 1.0 that this host can break; fails as an assertion. */
export function readOpenMetrics(text: string): ReadonlyMap<string, OpenFamily> {
  const lines = text.split("\n");
  assert.deepEqual(lines.splice(-2), ["# EOF", ""], "the end of an exposition is told");
  const families = new Map<string, OpenFamily & { readonly samples: OpenSample[] }>();
  let family: (OpenFamily & { readonly samples: OpenSample[] }) | undefined;
  for (const line of lines) {
    const [, type] = /^# TYPE \S+ (counter|gauge|histogram)$/.exec(line) ?? [];
    const [, name = ""] = /^# (?:HELP|TYPE) ([A-Za-z_:][\w:]*) /.exec(line) ?? [];
    if (type !== undefined) {
      assert(!families.has(name), `${name} has one place`);
      assert(type !== "counter" || !name.endsWith("_total"), `${name} is a counter's name with its suffix`);
      family = { name, type, samples: [] };
      families.set(name, family);
    } else if (name === "") {
      assert(family !== undefined, "a sample before any type");
      family.samples.push(readSample(line, family));
    }
  }
  return families;
}

function readSample(line: string, { name, type }: OpenFamily): OpenSample {
  const found = SAMPLE.exec(line);
  assert(found !== null, `no sample: ${line}`);
  const [, sample = "", labels = "", value = "", told, exemplarValue, at] = found;
  assert((SUFFIXES[type] as readonly string[]).includes(sample.slice(name.length)), `${sample} of ${name}`);
  assert(sample.startsWith(name), `${sample} is among the samples of ${name}`);
  if (told === undefined) return { name: sample, labels, value: Number(value), exemplar: undefined };
  assert(sample.endsWith("_bucket"), `${sample} has an exemplar`);
  assert(told.length <= 128, "labels of an exemplar have 128 characters at most");
  const bound = /le="([^"]*)"/.exec(labels)?.[1] ?? "";
  const limit = bound === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound);
  assert(Number(exemplarValue) <= limit, `an exemplar of ${exemplarValue} s is in the bucket up to ${bound}`);
  const exemplar = { labels: told, value: Number(exemplarValue), at: Number(at) };
  return { name: sample, labels, value: Number(value), exemplar };
}

const LABELS = String.raw`\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\}`;
const NUMBER = String.raw`(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|\+Inf|-Inf|NaN)`;
const SAMPLE = new RegExp(
  `^([A-Za-z_:][\\w:]*)(?:${LABELS})? ${NUMBER}(?: # ${LABELS} ${NUMBER} ${NUMBER})?$`,
);

const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total"],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"],
};
