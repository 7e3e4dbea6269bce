import type { GenerationView } from "../host/control/control.ts";
import type { LiveView } from "../host/control/live-view.ts";
import type { AdminRole } from "../host/config/config.ts";
import { ApiProblem, events, read, sentenceOf } from "./api.ts";
import { applyPatch } from "./apply-patch.ts";
import { eventsOf } from "./event-stream.ts";

/** How the page stands with the host. */
export type Connection =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  /** It tries again by itself. */
  | { readonly kind: "lost"; readonly why: string; readonly sinceMs: number }
  /** A token is needed, or another one. */
  | { readonly kind: "stranger"; readonly why: string };

export interface Whoami {
  readonly name: string;
  readonly role: AdminRole;
}

/** One second of traffic, for the charts. */
export interface Moment {
  readonly at: number;
  readonly perSecond: number;
  readonly errorsPerSecond: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** Something that has happened while the page was open, or that a generation says of itself. */
export interface News {
  readonly at: number;
  readonly kind: "change" | "warning" | "connection";
  readonly sentence: string;
}

export interface State {
  readonly connection: Connection;
  readonly whoami: Whoami | undefined;
  readonly view: LiveView | undefined;
  readonly moments: readonly Moment[];
  /** When another generation became live, for the charts. */
  readonly swaps: readonly { readonly at: number; readonly generation: number }[];
  readonly generations: readonly GenerationView[];
  /** Newest first. */
  readonly news: readonly News[];
}

/** What the page knows of the host. It asks for the events again and again, for as long as the page is there. */
export class LiveStore {
  #state: State = {
    connection: { kind: "connecting" },
    whoami: undefined,
    view: undefined,
    moments: [],
    swaps: [],
    generations: [],
    news: [],
  };
  readonly #watchers = new Set<() => void>();
  #abort = new AbortController();

  get state(): State {
    return this.#state;
  }

  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Begins anew, with the token that is there now. */
  start(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#set({ connection: { kind: "connecting" }, view: undefined, whoami: undefined });
    void this.#run(this.#abort.signal);
  }

  tell(kind: News["kind"], sentence: string): void {
    const news = { at: Date.now(), kind, sentence };
    this.#set({ news: [news, ...this.#state.news].slice(0, NEWS_MAX) });
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const whoami = await read<Whoami>("/v1/whoami", signal);
        await this.#follow(whoami, signal);
        this.#lost("The host has ended the connection.");
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiProblem && STRANGER.includes(error.code)) {
          this.#set({ connection: { kind: "stranger", why: sentenceOf(error) }, view: undefined });
          return;
        }
        this.#lost(sentenceOf(error));
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  async #follow(whoami: Whoami, outer: AbortSignal): Promise<void> {
    const silence = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const heard = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(new Error("silence")), SILENCE_MS_MAX);
    };
    heard();
    try {
      const stream = await events(AbortSignal.any([outer, silence.signal]));
      for await (const { type, data } of eventsOf(stream)) {
        heard();
        if (type === "whole") this.#begin(whoami, JSON.parse(data) as LiveView);
        else if (type === "patch" && this.#state.view !== undefined)
          this.#take(applyPatch(this.#state.view, JSON.parse(data)) as LiveView);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** What it has of rates may be of no time at all: the host looks for the first time. */
  #begin(whoami: Whoami, view: LiveView): void {
    const { connection } = this.#state;
    if (connection.kind === "lost") this.tell("connection", "The connection is back.");
    this.#set({ whoami, connection: { kind: "live" } });
    this.#take(view, []);
  }

  #take(view: LiveView, moments = [momentOf(view)]): void {
    const before = this.#state.view;
    const at = Date.now();
    const known = [...this.#state.moments, ...moments].slice(-MOMENTS_MAX);
    const isOther = before !== undefined && before.generation !== view.generation;
    const swap = isOther ? [{ at, generation: view.generation }] : [];
    this.#set({
      view,
      moments: known,
      swaps: [...this.#state.swaps, ...swap].filter((each) => each.at >= (known[0]?.at ?? 0)),
    });
    for (const warning of warningsOf(before, view)) this.tell("warning", warning);
    if (before === undefined || isOther) void this.#readGenerations(before?.generation);
  }

  /** `since`: what has become live after it is news. */
  async #readGenerations(since: number | undefined): Promise<void> {
    const generations = await read<GenerationView[]>("/v1/generations").catch(() => undefined);
    if (generations === undefined) return;
    this.#set({ generations });
    for (const { number, by, changes } of generations.toReversed()) {
      if (since === undefined || number <= since) continue;
      this.tell("change", `Generation ${number}, by ${by}: ${changes.join("; ") || "nothing is different"}.`);
    }
  }

  #lost(why: string): void {
    const { connection } = this.#state;
    if (connection.kind === "lost") return;
    this.tell("connection", `The connection to the host is lost. ${why}`);
    this.#set({ connection: { kind: "lost", why, sinceMs: Date.now() } });
  }

  #set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    for (const watcher of this.#watchers) watcher();
  }
}

function momentOf({ totals }: LiveView): Moment {
  const { perSecond, errorsPerSecond, p50Ms = null, p99Ms = null } = totals;
  return { at: Date.now(), perSecond, errorsPerSecond, p50Ms, p99Ms };
}

/** What somebody has to know who does not look at the row. */
function warningsOf(before: LiveView | undefined, now: LiveView): string[] {
  if (before === undefined) return [];
  const warnings: string[] = [];
  for (const [name, { quarantined }] of Object.entries(now.filters)) {
    const known = before.filters[name]?.quarantined ?? 0;
    if (quarantined > known) warnings.push(`Filter ${name} is quarantined on ${quarantined} workers.`);
    if (quarantined === 0 && known > 0) warnings.push(`Filter ${name} is called again on all workers.`);
  }
  if (now.ready !== before.ready)
    warnings.push(now.ready ? "The host serves." : `The host is not ready: ${now.reason}.`);
  return warnings;
}

const STRANGER = ["TOKEN_REFUSED", "ROLE_REFUSED", "GUESSES_REFUSED"];
const AGAIN_MS = 1_000;
/** Events come each second; a connection that is dead without an end is told by this. */
const SILENCE_MS_MAX = 5_000;
/** Five minutes. */
const MOMENTS_MAX = 300;
const NEWS_MAX = 50;
