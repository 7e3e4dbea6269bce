/**
 * Makes the pictures of docs/dashboard.md, of a proxy with some traffic:
 *
 *   node scripts/dashboard-images.ts            takes a minute, and needs Chromium in /usr/bin
 */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { createLog, Host, parseConfig, startAdmin } from "../host/index.ts";
import { buildDashboard } from "./build-dashboard.ts";
import { buildFilters, FILTERS_DIRECTORY } from "./build-filters.ts";
import { ROOT } from "./build-step.ts";

const IMAGES = join(ROOT, "docs", "images");
const SIZE = { width: 1_200, height: 660 };
const STANDARD_ERROR = 2;
/** Between two requests. */
const PAUSE_MS = 8;
/** How long there is traffic before the first picture. */
const BEFORE_MS = 30_000;

/** Slow at times, and at times it fails. */
const shop: RequestListener = (asked, answer) => {
  const status = asked.url === "/cart/full" && Math.random() < 0.2 ? 503 : 200;
  setTimeout(() => answer.writeHead(status).end("ok"), 2 + Math.random() ** 4 * 60);
};

function configOf(shopAt: string): string {
  return `\
# The proxy before the shop.
listen: ["127.0.0.1:0"]
admin: "127.0.0.1:0"
workers: 2
artifacts: artifacts
log: { level: warn }

upstreams:
  shop: { servers: ["${shopAt}", "${shopAt.replace("127.0.0.1", "127.0.0.2")}"] }

filters:
  greeting: { component: headers.wasm, config: { response: { set: { x-greeting: hello } } } }
  cache-control: { component: headers.wasm, config: { response: { set: { cache-control: no-store } } } }
  version: { component: mark.wasm, config: { mark: "7" } }

routes:
  - { name: cart, match: { path: /cart/* }, filters: [version, cache-control], upstream: shop }
  - { name: search, match: { path: /search/* }, filters: [version], upstream: shop }
  - { name: images, match: { path: /images/* }, filters: [greeting], upstream: shop }
  - { name: rest, match: { path: /* }, filters: [greeting, version], upstream: shop }
`;
}

const PATHS = ["/cart/full", "/search/a", "/search/b", "/images/1", "/images/2", "/images/3", "/"];

async function main(): Promise<void> {
  buildFilters({ filters: "all" });
  await buildDashboard();
  const folder = mkdtempSync(join(tmpdir(), "sluice-images-"));
  const server = createServer(shop);
  await listening(server);
  for (const name of ["headers.wasm", "mark.wasm"])
    copyFileSync(join(FILTERS_DIRECTORY, name), join(folder, name));
  const file = join(folder, "sluice.yaml");
  const text = configOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  writeFileSync(file, text);
  const config = parseConfig(text, file, process.env);
  const log = createLog({ level: "warn", destination: STANDARD_ERROR });
  const host = await Host.start(config, log, undefined, file);
  const admin = config.admin === null ? undefined : await startAdmin(host, config.admin, log.logger);
  const traffic = setInterval(() => ask(host.status().listen[0] ?? ""), PAUSE_MS);
  try {
    await takeAll(`http://${admin?.address}/`, host);
  } finally {
    clearInterval(traffic);
    await admin?.close();
    await host.force();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Each tries to be a picture of something that happens. */
async function takeAll(address: string, host: Host): Promise<void> {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage({ viewport: SIZE, colorScheme: "light" });
    await page.goto(address);
    await page.waitForTimeout(BEFORE_MS / 2);
    await host.swap("version", { config: { mark: "8" } });
    await page.waitForTimeout(BEFORE_MS / 2);
    await take(page, "traffic");
    const shadow = { kind: "shadow", forMs: 0, exchangesMin: 0, errorPercentMax: 100 } as const;
    const limits = { failuresMax: 0, addedMsMax: 600_000, differencePercentMax: 100 };
    await host.swap("version", { config: { mark: "9" }, trial: { ...shadow, ...limits } });
    await page.getByRole("link", { name: "Filters" }).click();
    await page.getByRole("table", { name: "The last differences" }).waitFor();
    await take(page, "filters");
    await page.getByRole("link", { name: "Configuration" }).click();
    const editor = page.getByLabel("Text of the configuration");
    await page.getByText("The text is in order.").waitFor();
    await editor.fill(
      (await editor.inputValue()).replace("[version], upstream: shop", "[versoin], upstream: shop"),
    );
    await page.getByText(/^1 problem/).waitFor();
    await take(page, "config");
  } finally {
    await browser.close();
  }
}

async function take(page: Page, name: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(1_500);
    await page.screenshot({ path: join(IMAGES, `dashboard-${name}-${colorScheme}.png`) });
  }
}

function ask(listen: string): void {
  const [host = "", port = ""] = listen.split(":");
  const path = PATHS[Math.floor(Math.random() * PATHS.length)] ?? "/";
  request({ host, port, path }, (answer) => answer.resume())
    .on("error", () => {})
    .end();
}

async function listening(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // Two loopback addresses stand for two servers.
  server.listen(0, "0.0.0.0", resolve);
  await promise;
}

await main();
