/** `sluice/testing/vitest`: imported in a test or as a setup file, it registers the matchers, and tells TypeScript of them. */
import { expect } from "vitest";
import { type FilterMatchers, matchers } from "./matchers.ts";

expect.extend(matchers as unknown as Parameters<typeof expect.extend>[0]);

declare module "vitest" {
  // The parameters are vitest's own: a declaration that has others is another interface.
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown>
    extends FilterMatchers<R> {}
}
