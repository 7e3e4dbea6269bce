import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe } from "vitest";
import { makeStage } from "../support/stage.ts";
import { findChromium, INSTALL, startChromium } from "./chromium.ts";
import { LookedOn, type Parts } from "./looked-on.ts";

const stage = makeStage();
const program = await findChromium();

/** Tests of the page, in one browser for all of a file; `start` gives a host and a page of its own. Skipped, by name, where there is none. */
export function inChromium(
  what: string,
  timeout: number,
  tests: (start: (parts?: Parts) => Promise<LookedOn>) => void,
): void {
  const skipped = program === undefined && process.env["CI"] === undefined;
  describe.skipIf(skipped)(`${what} (needs: ${INSTALL})`, { timeout }, () => {
    let browser: Browser;

    beforeAll(async () => {
      assert(program !== undefined, `Chromium is missing: ${INSTALL}`);
      browser = await startChromium(program);
    }, 60_000);

    afterAll(() => browser?.close());

    tests(async (parts = {}) => stage.use(await LookedOn.start(browser, parts)));
  });
}
