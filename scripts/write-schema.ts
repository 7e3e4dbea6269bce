import { readFileSync, writeFileSync } from "node:fs";
import { editorSchema, fillTables } from "../host/config/reference.ts";
import { caseEditorSchema } from "../host/kit/case-editor.ts";

// Writes what is made from the schemas of configurations and of cases: what editors know, and the tables in the documentation.

const root = new URL("../", import.meta.url);
const guide = new URL("docs/configuration.md", root);
writeFileSync(new URL("schema/sluice.schema.json", root), editorSchema());
writeFileSync(new URL("schema/case.schema.json", root), caseEditorSchema());
writeFileSync(guide, fillTables(readFileSync(guide, "utf8")));
