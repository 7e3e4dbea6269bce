import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { markOf, Place } from "../generations/changing.ts";
import { Collector } from "./collector.ts";

/** What this process has loaded of OpenTelemetry; its packages are CommonJS, so that Node keeps a list of their files. Its API, which others have, too, is not meant. */
function loaded(): readonly string[] {
  const { cache } = createRequire(import.meta.url);
  return Object.keys(cache).filter((file) => /@opentelemetry\/(?!api\/)/.test(file));
}

test("OpenTelemetry is loaded when `traces` asks for it, and not before; a reload takes effect both ways", async () => {
  await using place = await Place.make();
  await using collector = await Collector.start();
  const running = await place.start();
  const { host } = running;
  await markOf(running);
  expect(loaded()).toEqual([]);

  const traces = { otlp: collector.origin, sample: "100%", batch: { delay: "1m" } };
  await host.apply(place.text({ rest: { traces } }));
  await markOf(running);
  await host.apply(place.text());
  // What had waited for a minute is sent when nobody waits any more.
  expect((await collector.exchanges(1)).map(({ kind }) => kind)).toContain("CLIENT");
  expect(loaded()).not.toEqual([]);
  const { length } = collector.requests;
  await markOf(running);
  await host.drain();
  expect(collector.requests.length).toBe(length);
});
