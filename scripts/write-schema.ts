import { readFileSync, writeFileSync } from "node:fs";
import { editorSchema, fillTables } from "../host/config/reference.ts";

// Writes what is made from the configuration's schema: the editors' schema, and the tables in the documentation.

const root = new URL("../", import.meta.url);
const guide = new URL("docs/configuration.md", root);
writeFileSync(new URL("schema/sluice.schema.json", root), editorSchema());
writeFileSync(guide, fillTables(readFileSync(guide, "utf8")));
