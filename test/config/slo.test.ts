import { describe, expect, test } from "vitest";
import { viewOf } from "../../host/control/config-view.ts";
import { parse, wrongWith } from "./file.ts";

const UPSTREAM = `listen: ["127.0.0.1:8080"]\nupstreams: { api: { servers: ["http://127.0.0.1:9000"] } }\n`;
const DAY_MS = 86_400_000;

test("a route's own SLO stands in the place of the one for all, whole; none asks for nothing", () => {
  const { routes } = parse(`${UPSTREAM}\
slo: { availability: 99.9%, latency: { under: 300ms, share: 99% }, window: 7d }
routes:
  - { name: all, match: { path: /a }, upstream: api }
  - { name: own, match: { path: /b }, upstream: api, slo: { latency: { under: 2s, share: 99.999% } } }
  - { name: none, match: { path: /c }, upstream: api, slo: none }
`);

  expect(routes.map(({ name, slo }) => [name, slo])).toEqual([
    ["all", { availability: 0.999, latency: { underMs: 300, share: 0.99 }, windowMs: 7 * DAY_MS }],
    ["own", { availability: null, latency: { underMs: 2_000, share: 0.99999 }, windowMs: 30 * DAY_MS }],
    ["none", null],
  ]);
});

test("without any, nothing is asked of a route", () => {
  expect(parse(`${UPSTREAM}routes: [{ upstream: api }]`).routes[0]?.slo).toBeNull();
});

test("it is shown as it is written", () => {
  const slo = { availability: "99.95%", latency: { under: "300ms", share: "99%" }, window: "28d" };
  const config = parse(`${UPSTREAM}routes: [{ name: a, upstream: api, slo: ${JSON.stringify(slo)} }]`);

  expect(viewOf(config)).toMatchObject({ routes: { a: { slo } } });
});

describe("it is refused with its place", () => {
  test.each<[line: string, complaint: string]>([
    ["slo: {}", "6:6 slo: expected a mapping with availability or latency, or none, got a mapping"],
    [
      "slo: { window: 7d }",
      "6:6 slo: expected a mapping with availability or latency, or none, got a mapping",
    ],
    ["slo: off", '6:6 slo: expected a mapping with availability or latency, or none, got "off"'],
    [
      "slo: { availability: 0.999 }",
      "6:22 slo.availability: expected a share from 90% to 99.999%, like 99.9%, got 0.999",
    ],
    [
      "slo: { availability: 100% }",
      '6:22 slo.availability: expected a share from 90% to 99.999%, like 99.9%, got "100%"',
    ],
    [
      "slo: { availability: 89.9% }",
      '6:22 slo.availability: expected a share from 90% to 99.999%, like 99.9%, got "89.9%"',
    ],
    [
      "slo: { latency: { under: 1s } }",
      "6:8 slo.latency.share: expected a share from 90% to 99.999%, like 99.9%, got nothing",
    ],
    [
      "slo: { latency: { under: 5m, share: 99% } }",
      '6:26 slo.latency.under: expected a duration from 1ms to 1m with its unit, like 250ms, 5s or 1m, got "5m"',
    ],
    [
      "slo: { availability: 99%, window: 720h }",
      '6:35 slo.window: expected a number of days from 1d to 90d, like 30d, got "720h"',
    ],
    [
      "slo: { availability: 99%, window: 91d }",
      '6:35 slo.window: expected a number of days from 1d to 90d, like 30d, got "91d"',
    ],
    [
      "slo: { availabilty: 99% }",
      '6:8 slo.availabilty: expected a known option, got "availabilty" (did you mean availability?)',
    ],
  ])("%s", (line, complaint) => {
    expect(wrongWith(line)).toEqual([`sluice.yaml:${complaint}`]);
  });
});
