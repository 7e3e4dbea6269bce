/** Writes host/filter/bindings/contract.json from wit/. A test compares it with a fresh generation. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { contractFrom } from "../host/kit/wit-contract.ts";
import { ROOT } from "./build-step.ts";

const target = join(ROOT, "host", "filter", "bindings", "contract.json");
await writeFile(target, `${JSON.stringify(await contractFrom(join(ROOT, "wit")), null, 2)}\n`);
