/** The page for who has no mouse, does not see it, or has a large host. */
import assert from "node:assert/strict";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { waitFor } from "../support/waiting.ts";
import { inChromium } from "./in-chromium.ts";
import { MARKS } from "./looked-on.ts";

const VIEWS = ["traffic", "routes", "filters", "generations", "upstreams", "workers", "failures", "config"];

// Axe looks at all of each view, in a browser that shares its cores with other tests.
inChromium("the dashboard", 120_000, (start) => {
  test.each(["light", "dark"] as const)(
    "axe finds nothing in any view, in %s colours",
    async (colorScheme) => {
      const looked = await start();
      const { page } = looked;
      await page.emulateMedia({ colorScheme });
      const shadow = { kind: "shadow", forMs: 0, exchangesMin: 0, errorPercentMax: 100 } as const;
      const limits = { failuresMax: 0, addedMsMax: 600_000, differencePercentMax: 100 };
      await looked.host.swap("mark", { config: { mark: "new" }, trial: { ...shadow, ...limits } });
      for (const view of VIEWS) {
        await looked.show(view);
        if (view === "filters") await page.getByRole("region", { name: "mark: shadow" }).waitFor();
        if (view === "config") await page.getByText("The text is in order.").waitFor();
        expect(await violations(page), view).toEqual([]);
      }
      await page.getByRole("link", { name: "Filters" }).click();
      await page.getByRole("button", { name: "Swap… mark" }).click();
      expect(await violations(page), "the dialog").toEqual([]);
    },
  );

  test("everything is reached by the keyboard alone, and a dialog gives the focus back", async () => {
    const looked = await start();
    const { page } = looked;
    await looked.show("traffic");
    await page.keyboard.press("Tab");
    expect(await focused(page)).toBe("Skip to the content");
    await page.keyboard.press("Enter");
    expect(await page.locator("main:focus").count(), "the focus is not on the content").toBe(1);
    await page.reload();
    await page.getByText("serving").first().waitFor();
    await tabTo(page, "Filters");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Filters", level: 1 }).waitFor();
    await tabTo(page, "Swap… mark");
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    expect(await dialog.locator(":focus").count(), "the focus is not in the dialog").toBe(1);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await waitFor("the focus on the button again", async () => (await focused(page)) === "Swap… mark");
  });

  test("the colours are those that were chosen, also when the page is opened again", async () => {
    const looked = await start();
    const { page } = looked;
    await page.emulateMedia({ colorScheme: "light" });
    await looked.show("traffic");
    const ground = (): Promise<string> =>
      page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor");
    const light = await ground();
    await page.getByLabel("Colours").selectOption("dark");
    expect(await ground()).not.toBe(light);
    await page.reload();
    await page.getByText("serving").first().waitFor();
    expect(await ground()).not.toBe(light);
    await page.getByLabel("Colours").selectOption("system");
    expect(await ground()).toBe(light);
  });

  test("500 routes and 200 filters are shown, found by name, and follow what happens", {
    timeout: 120_000,
  }, async () => {
    const filters = Object.fromEntries(
      Array.from({ length: 200 }, (_, at) => [`mark-${at}`, { ...MARKS.mark }]),
    );
    const routes = Array.from({ length: 500 }, (_, at) => ({
      name: `route-${at}`,
      match: { path: `/${at}/*` },
      upstream: "main",
      filters: [`mark-${at % 200}`],
    }));
    const looked = await start({ filters, routes });
    const { page } = looked;
    const began = performance.now();
    await looked.show("routes");
    await page.getByText("500 routes").waitFor();
    expect(await page.locator("tbody tr").count()).toBe(500);
    await page.getByRole("link", { name: "Filters" }).click();
    await page.getByText("200 filters").waitFor();
    expect(await page.locator("tbody tr").count()).toBe(200);
    expect(performance.now() - began, "milliseconds until all of it was shown").toBeLessThan(15_000);

    await page.getByRole("link", { name: "Routes" }).click();
    await page.getByLabel("Find").fill("route-499");
    const row = page.getByRole("row", { name: /^route-499/ });
    await looked.served(10, "/499/a");
    await waitFor("the route's rate", async () =>
      /[1-9]/.test((await row.getByRole("cell").nth(2).textContent()) ?? ""),
    );
  });
});

async function violations(page: Page): Promise<string[]> {
  // Not by a script element, which the page's own policy forbids.
  await page.evaluate(axe.source);
  const results = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  return results.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}

function focused(page: Page): Promise<string | undefined> {
  return page.evaluate<string | undefined>("document.activeElement?.textContent.trim()");
}

async function tabTo(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press("Tab");
    if ((await focused(page)) === name) return;
  }
  assert.fail(`the focus never came to ${name}`);
}
