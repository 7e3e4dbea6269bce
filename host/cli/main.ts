#!/usr/bin/env node

// Nothing is imported before this check: on an older Node the rest would fail to load, with a stack trace.
const NODE_MAJOR_MIN = 26;
const { node } = process.versions;

if (Number.parseInt(node, 10) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `sluice: Node ${NODE_MAJOR_MIN} or newer is needed, and ${process.execPath} is Node ${node}.\n`,
  );
  process.exitCode = 1;
} else {
  const { main } = await import("./program.ts");
  process.exitCode = await main(process.argv.slice(2));
}
