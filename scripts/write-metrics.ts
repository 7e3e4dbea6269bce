import { readFileSync, writeFileSync } from "node:fs";
import { fillTables } from "../host/ops/reference.ts";

// Writes the tables of docs/metrics.md from what the host declares. A test compares.

const page = new URL("../docs/metrics.md", import.meta.url);
writeFileSync(page, fillTables(readFileSync(page, "utf8")));
