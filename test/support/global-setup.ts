import { buildFilters } from "../../scripts/build-filters.ts";

/** Tests load real artifacts: a test run by hand must not meet stale ones, or none. */
export default function setup(): void {
  buildFilters({ filters: "all" });
}
