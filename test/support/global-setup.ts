import { buildDashboard } from "../../scripts/build-dashboard.ts";
import { buildFilters } from "../../scripts/build-filters.ts";

/** Tests load real artifacts: a test run by hand must not meet stale ones, or none. */
export default async function setup(): Promise<void> {
  buildFilters({ filters: "all" });
  await buildDashboard();
}
