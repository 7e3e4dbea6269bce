#!/usr/bin/env node
// `npx sluice` in the repository runs the sources as they are, so that nothing has to be built and nothing can be stale. The
// published package has no sources: there it runs what `npm run build` has made of them.
import { existsSync } from "node:fs";

const source = new URL("../host/cli/main.ts", import.meta.url);
const built = new URL("../dist/cli/main.js", import.meta.url);

// An older Node cannot load TypeScript, and main.ts, which says that it is too old, is not reached.
if (existsSync(source) && !process.features.typescript) {
  process.stderr.write(`sluice: Node 26 or newer is needed, and ${process.execPath} is Node ${process.versions.node}.\n`);
  process.exitCode = 1;
} else {
  await import(existsSync(source) ? source.href : built.href);
}
