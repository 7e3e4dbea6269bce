import * as z from "zod";
import { EXPECTED } from "../config/shape.ts";
import { CASE } from "./case-schema.ts";

/** The JSON Schema of a case, for editors: what they complete, and check while a file is written. */
export function caseEditorSchema(): string {
  const { $schema, ...schema } = z.toJSONSchema(CASE, { io: "input" });
  const text = JSON.stringify(
    { $schema, title: "A case of sluice test", ...schema },
    (key, value: unknown) => (key === EXPECTED ? undefined : value),
    2,
  );
  return `${text}\n`;
}
