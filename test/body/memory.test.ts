/** What a process needs for bodies that are much longer than what it may keep of them. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { MemoryWatch, residentMiB } from "../../scripts/soak/host-process.ts";
import type { RunningHost } from "../cli/running-host.ts";
import { BulkUpstream, startBulkHost, transfer } from "./bulk.ts";

const LENGTH = 256 * 2 ** 20;

/** Far less than a body, far more than the collector leaves standing. */
const GROWTH_MIB_MAX = 96;

let upstream: BulkUpstream;
let host: RunningHost;

beforeAll(async () => {
  upstream = await BulkUpstream.start();
  host = await startBulkHost(upstream);
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

test.each([
  ["response", "down"],
  ["request", "up"],
] as const)("a long %s that filters pass and replace is not kept by anybody", async (_, way) => {
  await transfer(host, "/filtered/", way, 2 ** 24);
  const before = residentMiB(host.pid);
  const watch = new MemoryWatch(host.pid);
  const came = await transfer(host, "/filtered/", way, LENGTH);
  const growth = watch.stop() - before;
  expect(came.bytes).toBe(LENGTH);
  expect(came.wrapped, "the filter has had no say").toBeGreaterThan(LENGTH / 65_536 / 2);
  expect(growth, "MiB of growth").toBeLessThan(GROWTH_MIB_MAX);
});
