import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { AdminApp } from "./admin-endpoint.ts";

/** What the page loads is below this. */
export const ASSETS = "/dashboard/";

/**
 * Adds the dashboard: a page at `/` and what it loads. They are files that were built before; where they are missing, the page says so and
 * the rest of the admin API is as ever.
 */
export function addDashboard(app: AdminApp): void {
  const page = read("index.html") ?? Buffer.from(MISSING);
  app.get("/", (c) => c.body(plain(page), 200, { ...FIELDS, "content-type": "text/html; charset=utf-8" }));
  for (const [name, type] of FILES) {
    const file = read(name);
    if (file !== undefined)
      app.get(`${ASSETS}${name}`, (c) => c.body(plain(file), 200, { ...FIELDS, "content-type": type }));
  }
}

const FILES = [
  ["app.js", "text/javascript; charset=utf-8"],
  ["app.css", "text/css; charset=utf-8"],
  ["icon.svg", "image/svg+xml"],
  ["licenses.txt", "text/plain; charset=utf-8"],
] as const;

/** Nothing from elsewhere, nothing inline, in nobody's frame. */
const FIELDS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
} as const;

const MISSING = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sluice</title>
<p>The dashboard has not been built here. In the repository this builds it: node scripts/build-dashboard.ts</p>
`;

/** In the repository a script builds it; in the package it is beside the host's own code. */
const FOLDER = import.meta.url.endsWith(".ts") ? "../../.sluice/dashboard/" : "../dashboard/";

function read(name: string): Buffer | undefined {
  try {
    return readFileSync(fileURLToPath(new URL(`${FOLDER}${name}`, import.meta.url)));
  } catch {
    return undefined;
  }
}

/** Hono takes no view of shared memory, which the type of a Buffer allows for. */
function plain(bytes: Buffer): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(bytes);
}
