import { setTimeout as sleep } from "node:timers/promises";
import type { AdminClient } from "../control/admin-client.ts";
import type { FullStatus } from "../control/control.ts";
import { type Activity, activityBetween, type Scrape } from "./activity.ts";
import { type AskOptions, asking, printJson } from "./asking.ts";
import { printable } from "./complaint.ts";
import { DONE } from "./exit-code.ts";
import { parseExposition } from "./exposition.ts";
import { type Key, Screen } from "./screen.ts";
import { paint } from "./table.ts";
import { bodyOf, headOf, lastOffset, linesOf, ORDERS, roomFor } from "./top-view.ts";

export interface TopOptions extends AskOptions {
  readonly once?: boolean | undefined;
}

const INTERVAL_MS = 1_000;

/** Shows traffic as it goes by, until `q`; where there is no terminal, or one table is enough, what one second brought. */
export function top(options: TopOptions): Promise<number> {
  const { once = false, json = false } = options;
  return asking(options, async (client) => {
    const live = !once && !json && process.stdout.isTTY;
    return live ? new Top(client, await scrape(client)).show() : showOnce(client, json);
  });
}

async function showOnce(client: AdminClient, json: boolean): Promise<number> {
  const before = await scrape(client);
  await sleep(INTERVAL_MS);
  const [after, status] = await Promise.all([scrape(client), client.status()]);
  const activity = activityBetween(before, after);
  if (json) printJson({ generation: status.generation, ...activity });
  else {
    const now = Date.now();
    const lines = [...headOf(activity, status, now), "", ...bodyOf(activity, status, "traffic", now)];
    process.stdout.write(lines.map((line) => `${line}\n`).join(""));
  }
  return DONE;
}

async function scrape(client: AdminClient): Promise<Scrape> {
  const families = parseExposition(await client.metrics());
  return { at: performance.now(), families };
}

/** The live view: what was seen last, and how it is looked at. */
class Top {
  readonly #client: AdminClient;
  readonly #screen: Screen;
  readonly #quit = Promise.withResolvers<"quit">();
  #last: Scrape;
  #seen: { readonly activity: Activity; readonly status: FullStatus } | undefined;
  /** Why what is shown is no longer new. */
  #trouble = "";
  #order = 0;
  #offset = 0;

  constructor(client: AdminClient, first: Scrape) {
    this.#client = client;
    this.#last = first;
    this.#screen = new Screen(
      (key) => this.#press(key),
      () => this.#draw(),
    );
  }

  async show(): Promise<number> {
    try {
      this.#draw();
      for (;;) {
        const waited = await this.#pause();
        const looked = waited === "quit" ? waited : await Promise.race([this.#look(), this.#quit.promise]);
        if (looked === "quit") return DONE;
        this.#draw();
      }
    } finally {
      this.#screen.close();
    }
  }

  /** Until the next look, or the end. */
  async #pause(): Promise<"quit" | undefined> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), INTERVAL_MS);
    try {
      return await Promise.race([promise, this.#quit.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Never rejects: a host that is replaced answers again soon. */
  async #look(): Promise<void> {
    try {
      const [after, status] = await Promise.all([scrape(this.#client), this.#client.status()]);
      this.#seen = { activity: activityBetween(this.#last, after), status };
      this.#last = after;
      this.#trouble = "";
    } catch (error) {
      this.#trouble = error instanceof Error ? error.message : String(error);
    }
  }

  #press(key: Key): void {
    const page = roomFor(this.#head(), this.#screen.rows);
    if (key === "quit") this.#quit.resolve("quit");
    else if (key === "sort") this.#order = (this.#order + 1) % ORDERS.length;
    else {
      this.#offset = {
        up: this.#offset - 1,
        down: this.#offset + 1,
        "page-up": this.#offset - page,
        "page-down": this.#offset + page,
        home: 0,
        end: Number.POSITIVE_INFINITY,
      }[key];
    }
    this.#draw();
  }

  #draw(): void {
    const { rows } = this.#screen;
    const head = this.#head();
    const order = ORDERS[this.#order] ?? "traffic";
    const seen = this.#seen;
    const body = seen === undefined ? [] : bodyOf(seen.activity, seen.status, order, Date.now());
    const last = lastOffset({ head, body, rows });
    this.#offset = Math.min(Math.max(0, this.#offset), last);
    const more = last === 0 ? "" : `, ↑ ↓ PgUp PgDn scroll (${this.#offset} of ${last})`;
    const foot =
      this.#trouble === ""
        ? paint("dim", `q ends, s sorts by ${order}${more}`)
        : paint("red", printable(this.#trouble));
    this.#screen.draw(linesOf({ head, body, foot, rows, offset: this.#offset }));
  }

  #head(): string[] {
    if (this.#seen === undefined) return ["looking for a second …"];
    return headOf(this.#seen.activity, this.#seen.status, Date.now());
  }
}
