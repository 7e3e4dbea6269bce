import type { CustomMetric, Declaration, MetricFault } from "../../ops/custom-metrics.ts";
import { type GuestMemory, GuestTrap } from "../guest-memory.ts";
import type { Services } from "../services.ts";
import type { CoreImports } from "./core.ts";

type Kind = Declaration["kind"];

export function coreMetrics(memory: () => GuestMemory, services: Services): CoreImports {
  const handles = new Handles();
  const declare =
    (kind: Kind) =>
    (
      name: number,
      nameLength: number,
      help: number,
      helpLength: number,
      labels: number,
      labelCount: number,
      out: number,
    ): void => {
      const guest = memory();
      const declaration = {
        kind,
        name: guest.utf8(name, nameLength),
        help: guest.utf8(help, helpLength),
        labels: loadTexts(guest, labels, labelCount),
        bounds: [],
      };
      storeDeclared(guest, handles.made(declared(services, declaration), kind), out);
    };
  const drop = (kind: Kind) => (handle: number) => handles.drop(handle, kind);
  const use = (handle: number, kind: Kind, at: number, count: number): [CustomMetric, readonly string[]] => {
    const metric = handles.use(handle, kind);
    return [metric, valuesOf(services, metric, loadTexts(memory(), at, count))];
  };
  return {
    "sluice:filter/metrics@0.1.0": {
      "[resource-drop]counter": drop("counter"),
      "[resource-drop]gauge": drop("gauge"),
      "[resource-drop]histogram": drop("histogram"),
      "[static]counter.declare": declare("counter"),
      "[static]gauge.declare": declare("gauge"),
      "[static]histogram.declare": (
        name: number,
        nameLength: number,
        help: number,
        helpLength: number,
        labels: number,
        labelCount: number,
        bounds: number,
        boundCount: number,
        out: number,
      ) => {
        const guest = memory();
        const declaration: Declaration = {
          kind: "histogram",
          name: guest.utf8(name, nameLength),
          help: guest.utf8(help, helpLength),
          labels: loadTexts(guest, labels, labelCount),
          bounds: loadNumbers(guest, bounds, boundCount),
        };
        storeDeclared(guest, handles.made(declared(services, declaration), "histogram"), out);
      },
      "[method]counter.add": (self: number, amount: bigint, at: number, count: number) => {
        const [metric, values] = use(self, "counter", at, count);
        metric.add(Number(BigInt.asUintN(64, amount)), values);
      },
      "[method]gauge.set": (self: number, value: number, at: number, count: number) => {
        const [metric, values] = use(self, "gauge", at, count);
        metric.set(value, values);
      },
      "[method]histogram.observe": (self: number, value: number, at: number, count: number) => {
        const [metric, values] = use(self, "histogram", at, count);
        metric.observe(value, values);
      },
    },
  };
}

export function referenceMetrics(services: Services): Record<string, Record<string, unknown>> {
  class Metric {
    readonly metric: CustomMetric;

    constructor(kind: Kind, name: string, help: string, labels: string[], bounds: ArrayLike<number> = []) {
      const metric = declared(services, { kind, name, help, labels, bounds: Array.from(bounds) });
      if (typeof metric === "string") throw new MetricRefused(metric);
      this.metric = metric;
    }
  }
  class Counter extends Metric {
    static declare(name: string, help: string, labels: string[]): Counter {
      return new Counter("counter", name, help, labels);
    }
    add(amount: bigint, labels: string[]): void {
      this.metric.add(Number(amount), valuesOf(services, this.metric, labels));
    }
  }
  class Gauge extends Metric {
    static declare(name: string, help: string, labels: string[]): Gauge {
      return new Gauge("gauge", name, help, labels);
    }
    set(value: number, labels: string[]): void {
      this.metric.set(value, valuesOf(services, this.metric, labels));
    }
  }
  class Histogram extends Metric {
    static declare(name: string, help: string, labels: string[], bounds: ArrayLike<number>): Histogram {
      return new Histogram("histogram", name, help, labels, bounds);
    }
    observe(value: number, labels: string[]): void {
      this.metric.observe(value, valuesOf(services, this.metric, labels));
    }
  }
  return { "sluice:filter/metrics": { Counter, Gauge, Histogram } };
}

/** An instance's handles. What was dropped is not used again, so that a handle kept is found out. */
class Handles {
  readonly #metrics: ({ readonly metric: CustomMetric; readonly kind: Kind } | undefined)[] = [undefined];

  made(metric: CustomMetric | MetricFault, kind: Kind): number | MetricFault {
    if (typeof metric === "string") return metric;
    if (this.#metrics.length > HANDLES_MAX) return "too-many";
    return this.#metrics.push({ metric, kind }) - 1;
  }

  use(handle: number, kind: Kind): CustomMetric {
    const found = this.#metrics[handle];
    if (found?.kind !== kind) throw new GuestTrap(`${handle} is no handle of a ${kind}`, "handle");
    return found.metric;
  }

  drop(handle: number, kind: Kind): void {
    this.use(handle, kind);
    this.#metrics[handle] = undefined;
  }
}

function declared(services: Services, declaration: Declaration): CustomMetric | MetricFault {
  if (!services.configuring) throw new GuestTrap("a metric is declared outside of configure");
  return services.declareMetric(declaration);
}

function valuesOf(services: Services, metric: CustomMetric, values: readonly string[]): readonly string[] {
  const { name, labels } = metric.declaration;
  if (values.length !== labels.length)
    throw new GuestTrap(`the metric ${name} has ${labels.length} labels, and not ${values.length}`);
  return values.map((value) => services.redacted(value).slice(0, VALUE_LENGTH_MAX));
}

/** A fault as jco takes a result's error: from the exception's payload. */
class MetricRefused extends Error {
  readonly payload: object;

  constructor(fault: MetricFault) {
    super(fault);
    this.payload = fault === "bad-bounds" ? { tag: "other", val: BAD_BOUNDS } : { tag: fault };
  }
}

/** result<own<metric>, error>. */
function storeDeclared(guest: GuestMemory, result: number | MetricFault, out: number): void {
  const { view } = guest;
  if (typeof result === "number") {
    view.setUint8(out, 0);
    view.setUint32(out + 4, result, true);
    return;
  }
  view.setUint8(out, 1);
  view.setUint8(out + 4, FAULTS.indexOf(result));
  if (result === "bad-bounds") guest.storeUtf8(BAD_BOUNDS, out + 8);
}

/** list<string>: 8 bytes an element. */
function loadTexts(guest: GuestMemory, at: number, count: number): string[] {
  const start = at >>> 0;
  const length = count >>> 0;
  if (length > TEXTS_MAX) throw new GuestTrap(`${length} labels are too many`, "size");
  guest.check(start, length * 8);
  const { view } = guest;
  const texts: string[] = [];
  for (let index = 0; index < length; index++) {
    const text = start + index * 8;
    texts.push(guest.utf8(view.getUint32(text, true), view.getUint32(text + 4, true)));
  }
  return texts;
}

/** list<f64>. */
function loadNumbers(guest: GuestMemory, at: number, count: number): number[] {
  const start = at >>> 0;
  const length = count >>> 0;
  if (length > TEXTS_MAX) throw new GuestTrap(`${length} bounds are too many`, "size");
  guest.check(start, length * 8);
  const { view } = guest;
  return Array.from({ length }, (_, index) => view.getFloat64(start + index * 8, true));
}

/** WIT `metrics.error`, in the order of its cases. */
const FAULTS: readonly MetricFault[] = ["bad-name", "conflict", "too-many", "bad-bounds"];

const BAD_BOUNDS = "the bounds of a histogram ascend";

/** More than any metric may have of either. */
const TEXTS_MAX = 1_024;

/** A longer value is cut: every series is kept for good. */
const VALUE_LENGTH_MAX = 128;

const HANDLES_MAX = 1_024;
