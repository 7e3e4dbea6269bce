import { EXCHANGE_METRICS, type ExchangeMetric } from "./exchange-samples.ts";
import { FILTER_METRICS, type FilterMetric } from "./filter-samples.ts";
import { HOST_METRICS, type HostMetric } from "./host-samples.ts";
import type { Metric } from "./metric.ts";
import { SERVER_METRICS, type ServerMetric } from "./server-samples.ts";
import { SLO_METRICS, type SloMetric } from "./slo-samples.ts";
import { TRIAL_METRICS, type TrialMetric } from "./trial-samples.ts";

export type MetricName = ExchangeMetric | FilterMetric | ServerMetric | TrialMetric | SloMetric | HostMetric;

/** Every metric that the host exports. A name is public: dashboards and alerts hold it. docs/metrics.md is made from this. */
export const METRICS: Readonly<Record<MetricName, Metric>> = {
  ...EXCHANGE_METRICS,
  ...FILTER_METRICS,
  ...SERVER_METRICS,
  ...TRIAL_METRICS,
  ...SLO_METRICS,
  ...HOST_METRICS,
};
