/** The queries that docs/observing.md tells operators to ask. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { misread, unknownIn } from "../slo/queries.ts";
import { INSTALL, promtool } from "./promtool.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/observing.md"), "utf8");
const queries = [...page.matchAll(/^```promql\n(.*?)^```/gms)].flatMap(([, text = ""]) =>
  text.trim().split("\n"),
);
const tool = promtool();

test("each asks for what the host exports, by its own labels", () => {
  expect(queries.length).toBeGreaterThan(25);
  expect(unknownIn(queries, [])).toEqual([]);
  const named = [...page.matchAll(/`(sluice_[a-z_]+)`/g)].map(([, name = ""]) => name);
  expect(unknownIn(named, [])).toEqual([]);
});

test.skipIf(tool === undefined && process.env["CI"] === undefined)(
  `promtool understands each (needs: ${INSTALL})`,
  () => {
    expect(tool, `promtool is missing: ${INSTALL}`).toBeDefined();
    expect(misread(tool ?? "", queries)).toBe("");
  },
);
