/** Writes host/filter/bindings/contract.json from wit/. A test compares it with a fresh generation. */
import { writeFile } from "node:fs/promises";
import { contractFrom } from "./contract-from-wit.ts";

const target = new URL("../host/filter/bindings/contract.json", import.meta.url);
await writeFile(target, `${JSON.stringify(await contractFrom(new URL("../wit/", import.meta.url)), null, 2)}\n`);
