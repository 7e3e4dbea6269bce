/** The page at the admin address, in a real browser. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { WORDS } from "../control/desk.ts";
import { component } from "../support/test-host.ts";
import { waitFor } from "../support/waiting.ts";
import { inChromium } from "./in-chromium.ts";

inChromium("the dashboard", 60_000, (start) => {
  test("shows what the host does while it does it", async () => {
    const looked = await start();
    await looked.show("traffic");
    await looked.served(20);
    const row = looked.page
      .getByRole("region", { name: "Busiest routes" })
      .getByRole("row", { name: /^all/ });
    await waitFor("a rate above zero", async () => !/^all\s*0\s/.test((await row.textContent()) ?? "all0 "));
    const chart = looked.page.getByRole("img", { name: /^Exchanges per second: / });
    await waitFor("words for what is drawn", async () =>
      /: [1-9]/.test((await chart.getAttribute("aria-label")) ?? ""),
    );
    expect(await chart.locator("canvas").count(), "nothing is drawn").toBe(1);
  });

  test("a swap by its button: looked at before, confirmed, made, and told", async () => {
    const looked = await start();
    const { page } = looked;
    await looked.show("filters");
    await page.getByRole("button", { name: "Swap… mark" }).click();
    const dialog = page.getByRole("dialog", { name: "Swap mark" });
    await dialog.getByLabel(/^Config/).fill('{"mark": "new"}');
    await dialog.getByRole("button", { name: "What would change?" }).click();
    await dialog.getByText("filters.mark.config").waitFor();
    expect(looked.host.status().generation, "a look has changed something").toBe(1);

    await dialog.getByRole("button", { name: "Swap", exact: true }).click();

    await page.getByText(/mark is swapped\. Generation 2 is live/).waitFor();
    await dialog.waitFor({ state: "detached" });
    expect(await looked.served()).toEqual(["new"]);
    await page.getByRole("link", { name: "Traffic" }).click();
    await page.getByRole("listitem").filter({ hasText: "Generation 2, by local" }).waitFor();
  });

  test("a swap that is refused says why, and nothing has changed", async () => {
    const looked = await start();
    await looked.show("filters");
    await looked.page.getByRole("button", { name: "Swap… mark" }).click();
    const dialog = looked.page.getByRole("dialog");
    await dialog.getByLabel("Component").fill("/nowhere/it.wasm");
    await dialog.getByRole("button", { name: "Swap", exact: true }).click();
    const alert = dialog.getByRole("alert");
    await waitFor("the sentence", async () => /Refused: .*nowhere/.test((await alert.textContent()) ?? ""));
    expect(looked.host.status().generation).toBe(1);
  });

  test("a swap that comes after another one is refused first, and made when it is asked for again", async () => {
    const looked = await start();
    const { page } = looked;
    await looked.show("filters");
    await page.getByRole("button", { name: "Swap… mark" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel(/^Config/).fill('{"mark": "mine"}');
    await looked.host.swap("mark", { config: { mark: "another's" } });
    await dialog.getByRole("button", { name: "Swap", exact: true }).click();
    await dialog.getByText(/Generation 2 is live/i).waitFor();
    expect(await looked.served()).toEqual(["another's"]);
    await dialog.getByRole("button", { name: "Swap", exact: true }).click();
    await page.getByText(/mark is swapped\. Generation 3 is live/).waitFor();
  });

  test("a rollback to the generation whose button it is", async () => {
    const looked = await start();
    await looked.host.swap("mark", { config: { mark: "new" } });
    await looked.host.swap("mark", { config: { mark: "newer" } });
    await looked.show("generations");
    await looked.page.getByRole("button", { name: "Roll back… to generation 1" }).click();
    await looked.page.getByRole("button", { name: "Roll back to 1" }).click();
    await looked.page.getByText(/What generation 1 was is live again\. Generation 4/).waitFor();
    expect(await looked.served()).toEqual(["old"]);
    await looked.page
      .getByRole("row", { name: /^4 / })
      .getByRole("cell", { name: "live", exact: true })
      .waitFor();
  });

  test("a canary that fails by itself is rolled back, and the page tells why", async () => {
    const looked = await start();
    const { page } = looked;
    await looked.show("filters");
    await page.getByRole("button", { name: "Swap… mark" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Component").fill(component("trap"));
    await dialog.getByLabel(/^Config/).fill("{}");
    await dialog.getByLabel(/as a canary/).check();
    await dialog.getByLabel("Percent of exchanges").fill("50");
    await dialog.getByLabel("What keeps to one version").selectOption("none");
    await dialog.getByRole("button", { name: "Begin the canary" }).click();
    await page.getByText("The canary of mark has begun.").waitFor();
    const trial = page.getByRole("region", { name: "mark: canary of 50 %" });
    await trial.getByText("running").waitFor();

    await looked.served(30, "/panic");

    await trial.getByText("rolled back").waitFor();
    await trial
      .getByText(/candidate.*fail/i)
      .first()
      .waitFor();
    await page.getByRole("link", { name: "Generations" }).click();
    const row = page.getByRole("row", { name: /trial rolled back/ });
    await row.getByRole("cell", { name: "trial", exact: true }).waitFor();
    expect(await looked.served()).toEqual(["old"]);
  });

  test("what a shadow does differently is shown, and it can be promoted", async () => {
    const looked = await start();
    const { page } = looked;
    const trial = { kind: "shadow", forMs: 0, exchangesMin: 0, errorPercentMax: 100 } as const;
    const limits = { failuresMax: 0, addedMsMax: 600_000, differencePercentMax: 100 };
    await looked.host.swap("mark", { config: { mark: "new" }, trial: { ...trial, ...limits } });
    await looked.show("filters");
    await looked.served(5);
    const region = page.getByRole("region", { name: "mark: shadow" });
    await region.getByRole("table", { name: "The last differences" }).getByText("x-mark").first().waitFor();
    await region.getByRole("button", { name: "Promote… mark" }).click();
    await page.getByRole("button", { name: "Promote", exact: true }).click();
    await page.getByText(/The candidate of mark serves\./).waitFor();
    expect(await looked.served()).toEqual(["new"]);
  });

  test("an exchange that has failed is shown with its steps", async () => {
    const filters = { trap: { component: component("trap"), config: {} } };
    const routes = [{ name: "all", upstream: "main", filters: ["trap"] }];
    const looked = await start({ filters, routes, timelines: { sample: "100%" } });
    const { page } = looked;
    await looked.served(1, "/panic");
    await looked.show("failures");
    await page.getByRole("region", { name: "Since the start" }).getByText("FILTER_TRAPPED").waitFor();
    await page.getByRole("group").getByText("/panic").click();
    const steps = page.getByRole("table", { name: /^The steps of the exchange/ });
    const step = steps.getByRole("row", { name: /^trap / });
    await step.getByText("failed: trap").waitFor();
    expect(await step.textContent()).toContain("request");
  });

  test("a server is drained by its button, and the last one is not", async () => {
    const looked = await start();
    const { page } = looked;
    await looked.show("upstreams");
    await page.getByRole("button", { name: /^Drain…/ }).click();
    await page.getByRole("button", { name: "Drain", exact: true }).click();
    const alert = page.getByRole("dialog").getByRole("alert");
    await waitFor("the refusal", async () => /last server/i.test((await alert.textContent()) ?? ""));
    expect(looked.host.status().upstreams[0]?.drained).toEqual([]);
  });

  test("what is wrong with a configuration stands at its line, and only what is in order can be applied", async () => {
    const looked = await start();
    const { page } = looked;
    await looked.show("config");
    const editor = page.getByLabel("Text of the configuration");
    await waitFor("the file's text", async () => (await editor.inputValue()).includes('"mark"'));
    const text = await editor.inputValue();
    const apply = page.getByRole("button", { name: "Apply…" });
    const line = text.split("\n").findIndex((each) => each.includes('"upstream": "main"')) + 1;
    await editor.fill(text.replace('"upstream": "main"', '"upstream": "mian"'));
    const problem = page.getByRole("button", { name: new RegExp(`^line ${line}, column \\d+$`) });
    await problem.waitFor();
    expect(await page.locator(".notes").textContent()).toContain("did you mean main?");
    expect(await page.locator(".gutter .wrong").textContent()).toBe(`✕ ${line}`);
    expect(await apply.isDisabled()).toBe(true);
    await problem.click();
    const at = await page.evaluate<number>("document.activeElement.selectionStart");
    expect((await editor.inputValue()).slice(0, at).split("\n")).toHaveLength(line);

    await editor.fill(text.replace('"old"', '"new"'));
    await page.getByText("The text is in order.").waitFor();
    await page.getByText("filters.mark.config").first().waitFor();
    await apply.click();
    await page.getByRole("button", { name: "Apply", exact: true }).click();
    await page.getByText(/The configuration is live\. Generation 2/).waitFor();
    expect(await looked.served()).toEqual(["new"]);
    await page.getByText("what runs is not what the file says").waitFor();
    expect(readFileSync(looked.file, "utf8"), "the file was written").toBe(text);
  });

  test("the loss of the connection is said, and it comes back by itself", async () => {
    const looked = await start();
    const { page } = looked;
    await looked.show("traffic");
    await page.getByRole("heading", { name: "Busiest routes" }).waitFor();
    await looked.closeAdmin();
    await page.getByRole("alert").getByText("The connection to the host is lost.").waitFor();
    await looked.host.swap("mark", { config: { mark: "new" } });
    await looked.openAdmin();
    await page.getByRole("listitem").filter({ hasText: "The connection is back." }).waitFor();
    await page
      .getByRole("alert")
      .getByText("The connection to the host is lost.")
      .waitFor({ state: "detached" });
    await page.getByRole("listitem").filter({ hasText: "Generation 2, by local" }).waitFor();
    expect(await page.getByRole("banner").textContent()).toMatch(/generation2/);
  });

  test("where tokens are asked for, so does the page, and who may only read has no buttons", async () => {
    const looked = await start({ asksForTokens: true });
    const { page } = looked;
    await page.goto(looked.address);
    await page.getByLabel("Token").fill("slc_wrong");
    await page.getByRole("button", { name: "Look on" }).click();
    await page.getByRole("alert").getByText("No such token is known here.").waitFor();
    await page.getByLabel("Token").fill(WORDS.read);
    await page.getByRole("button", { name: "Look on" }).click();
    await page.getByText("the-read, role read").waitFor();
    for (const view of ["Filters", "Generations", "Upstreams", "Configuration"]) {
      await page.getByRole("link", { name: view }).click();
      await page.getByRole("heading", { name: view, level: 1 }).waitFor();
      expect(await page.getByRole("button", { name: /…/ }).count(), view).toBe(0);
    }
    expect(await page.getByLabel("Text of the configuration").count()).toBe(0);
    await page.reload();
    await page.getByText("the-read, role read").waitFor();
    await page.getByRole("button", { name: "Forget the token" }).click();
    await page.getByLabel("Token").waitFor();
    expect(await page.evaluate("JSON.stringify(sessionStorage) + JSON.stringify(localStorage)")).toBe("{}{}");
  });

  test("who may swap has those buttons and not those of an admin", async () => {
    const looked = await start({ asksForTokens: true });
    const { page } = looked;
    await page.goto(looked.address);
    await page.getByLabel("Token").fill(WORDS.swap);
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "Filters" }).click();
    await page.getByRole("button", { name: "Swap… mark" }).waitFor();
    await page.getByRole("link", { name: "Upstreams" }).click();
    await page.getByRole("row", { name: /main/ }).waitFor();
    expect(await page.getByRole("button", { name: /Drain/ }).count()).toBe(0);
  });
});
