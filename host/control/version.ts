import { readFileSync } from "node:fs";

/** The version of this host: beside host/ in the repository and beside dist/ in the package it is the same way up. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }
).version;
