import type { ExpositionFormat } from "../../host/ops/exposition.ts";

/** Of one metric; OpenMetrics has less to tell, so that the two can be told apart. */
export function expositionOf(
  format: ExpositionFormat,
  generation: number,
): { contentType: string; body: string } {
  return format === "text"
    ? {
        contentType: "text/plain; version=0.0.4; charset=utf-8",
        body: `sluice_generation ${generation}\n`,
      }
    : { contentType: "application/openmetrics-text; version=1.0.0; charset=utf-8", body: "# EOF\n" };
}
