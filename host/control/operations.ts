import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import { promoted, swapped } from "./candidates.ts";
import { type Change, type Changes, type Live, refusalOf } from "./changes.ts";
import { compared } from "./comparison.ts";
import type { ConfigFile } from "./config-file.ts";
import {
  type Asked,
  type ChangeResult,
  type Differences,
  Refusal,
  type SwapRequest,
  type SwapResult,
} from "./control.ts";
import { carriedOver, filterOf, withFilter, withServer } from "./edits.ts";
import { fileOf } from "./file-watch.ts";
import type { History } from "./history.ts";
import type { Loader } from "./loader.ts";
import { whyTooMany } from "../trial/trial.ts";
import type { Trials } from "../trial/trials.ts";

/** How often a kind of change was asked for, and what came of it. */
export interface Tally {
  ok: number;
  refused: number;
}

/** What operators change: each is told in the log, and counted. The methods are those of `Control`. */
export class Operations {
  readonly swaps: Tally = { ok: 0, refused: 0 };
  readonly reloads: Tally = { ok: 0, refused: 0 };
  readonly #changes: Changes;
  readonly #loader: Loader;
  readonly #history: History;
  readonly #file: ConfigFile;
  readonly #logger: Logger;

  readonly #trialEnded: Trials["ended"];

  constructor(
    changes: Changes,
    loader: Loader,
    history: History,
    file: ConfigFile,
    logger: Logger,
    trialEnded: Trials["ended"],
  ) {
    this.#changes = changes;
    this.#loader = loader;
    this.#history = history;
    this.#file = file;
    this.#logger = logger;
    this.#trialEnded = trialEnded;
  }

  swap(name: string, request: SwapRequest, asked: Asked): Promise<SwapResult> {
    return this.#counted(this.swaps, { filter: name, component: request.component }, "swap", () =>
      this.#changes.inTurn(asked, (live) => this.#swap(live, name, request, asked)),
    );
  }

  /**
   * The component at `path`, a filter's, has another digest now. A swap may have come first, or taken the filter elsewhere, and a build
   * may have written the same bytes again.
   */
  async componentChanged(name: string, path: string, digest: string, asked: Asked): Promise<void> {
    await this.#changes.inTurn(asked, async (live) => {
      const filter = live.config.filters.find((other) => other.name === name);
      if (filter === undefined || fileOf(filter) !== path) return;
      if (live.loaded.artifacts[name]?.digest === digest) return;
      await this.#counted(this.swaps, { filter: name }, "swap", () => this.#swap(live, name, {}, asked));
    });
  }

  diffSwap(name: string, request: SwapRequest): Promise<Differences> {
    const asked: Asked = { by: "diff" };
    return this.#changes.inTurn(asked, async (live) => {
      const present = filterOf(live.config, name);
      try {
        const config = withFilter(
          live.config,
          await swapped(present, request, (filter) => this.#loader.take(filter, live.config)),
        );
        return await compared(
          this.#changes,
          live,
          { config, asked, fresh: new Set([name]) },
          this.#file.hidden,
        );
      } catch (error) {
        const refusal = refusalOf(error);
        if (refusal.code === "TRIAL_REFUSED") throw refusal;
        return { generation: live.number, differences: [], refusals: [refusal.message] };
      }
    });
  }

  /** `why`: what the trial came to, where it ends by itself. */
  promote(name: string, asked: Asked, why = `promoted by ${asked.by}`): Promise<ChangeResult> {
    return this.#changed("promoted", { filter: name, why }, asked, ({ config }) => {
      const { filter, digest } = promoted(filterOf(config, name));
      return {
        config: withFilter(config, filter),
        // What was tried is what becomes the filter, whatever its source has become meanwhile.
        digests: { [name]: digest },
        committed: () => this.#trialEnded(name, "promoted", why),
        notes: [`filters.${name} trial promoted: ${why}`],
      };
    });
  }

  endTrial(name: string, asked: Asked, why = `ended by ${asked.by}`): Promise<ChangeResult> {
    return this.#changed("trial rolled back", { filter: name, why }, asked, ({ config }) => {
      const filter = filterOf(config, name);
      if (filter.candidate === null) throw new Refusal("TRIAL_REFUSED", `${name} has no trial`);
      return {
        config: withFilter(config, { ...filter, candidate: null }),
        committed: () => this.#trialEnded(name, "rolled-back", why),
        notes: [`filters.${name} trial rolled back: ${why}`],
      };
    });
  }

  rollback(to: number | undefined, asked: Asked): Promise<ChangeResult> {
    return this.#changed("rolled back", { to }, asked, ({ number, config: live }) => {
      const known = this.#history.records.filter((record) => record.number !== number);
      const target = to === undefined ? known.at(-1) : known.find((record) => record.number === to);
      if (target === undefined) {
        const kept =
          known.length === 0 ? "none is kept" : `kept are ${known.map((it) => it.number).join(", ")}`;
        throw new Refusal(
          "GENERATION_UNKNOWN",
          `there is no generation ${to ?? "before"} to go back to: ${kept}`,
        );
      }
      // A trial is over with the generation that it was of; whose signature is asked for does not become weaker again.
      const filters = target.config.filters.map((filter) => ({
        ...filter,
        candidate: null,
        verify: (live.filters.find(({ name }) => name === filter.name) ?? filter).verify,
      }));
      const fixed = {
        admin: live.admin,
        workers: live.workers,
        artifacts: live.artifacts,
        store: live.store,
      };
      return { config: { ...target.config, ...fixed, filters }, digests: target.digests, reread: true };
    });
  }

  async diff(text: string | undefined): Promise<Differences> {
    const next = this.#file.read(text);
    const asked: Asked = { by: "diff" };
    return this.#changes.inTurn(asked, (live) =>
      compared(
        this.#changes,
        live,
        { config: carriedOver(next, live.config), asked, reread: true },
        this.#file.hidden,
      ),
    );
  }

  apply(text: string | undefined, asked: Asked): Promise<ChangeResult> {
    const isFile = text === undefined;
    const apply = async (): Promise<ChangeResult> => {
      const next = this.#file.read(text);
      return this.#changed("configuration applied", {}, asked, (live) => {
        // Who has written the file may have had it applied before it was noticed: what was changed since then stays.
        if (asked.by === "file" && this.#file.isKnown(next)) return { config: live.config, reread: true };
        const config = carriedOver(next, live.config);
        this.#file.refuseRestart(live.config, config, isFile);
        if (isFile) this.#file.says(next);
        return { config, reread: true };
      });
    };
    return this.#counted(this.reloads, {}, "reload", () =>
      apply().catch((error: unknown) => {
        const refusal = refusalOf(error);
        if (isFile) this.#file.refused(refusal);
        throw refusal;
      }),
    );
  }

  drainServer(upstream: string, server: string, drained: boolean, asked: Asked): Promise<ChangeResult> {
    return this.#changed("server changed", { upstream, server }, asked, ({ config }) => ({
      config: withServer(config, upstream, server, (found) => ({ ...found, drained })),
    }));
  }

  setWeight(upstream: string, server: string, weight: number, asked: Asked): Promise<ChangeResult> {
    return this.#changed("server changed", { upstream, server }, asked, ({ config }) => ({
      config: withServer(config, upstream, server, (found) => ({ ...found, weight })),
    }));
  }

  async #swap(live: Live, name: string, request: SwapRequest, asked: Asked): Promise<SwapResult> {
    const began = performance.now();
    const present = filterOf(live.config, name);
    const next = await swapped(present, request, (filter) => this.#loader.take(filter, live.config));
    const config = withFilter(live.config, next);
    const tooMany = whyTooMany(config.filters);
    if (tooMany !== undefined) throw new Refusal("TRIAL_REFUSED", tooMany);
    const fresh = next.candidate === null ? new Set([name]) : undefined;
    const changes = await this.#changes.make({ config, asked, ...(fresh && { fresh }) });
    const { number, loaded } = this.#live;
    const candidate = next.candidate ?? { config: next.config };
    const result: SwapResult = {
      generation: number,
      filter: name,
      from: live.loaded.artifacts[name]?.digest ?? "",
      to: next.candidate?.digest ?? loaded.artifacts[name]?.digest ?? "",
      configChanged: !isDeepStrictEqual(present.config, candidate.config),
      durationMs: Math.round(performance.now() - began),
      changes,
    };
    const message = request.trial === undefined ? "swapped" : "trial begun";
    this.#logger.info({ ...result, by: asked.by }, message);
    return result;
  }

  /** One change, in turn. Logs what came of it. */
  #changed(
    message: string,
    about: object,
    asked: Asked,
    change: (live: Live) => Omit<Change, "asked">,
  ): Promise<ChangeResult> {
    return this.#changes.inTurn(asked, async (live) => {
      const began = performance.now();
      const next = change(live);
      const changes = await this.#changes.make({ ...next, asked });
      const result = {
        generation: this.#live.number,
        durationMs: Math.round(performance.now() - began),
        changes,
      };
      this.#logger.info({ ...result, ...about, by: asked.by }, message);
      return result;
    });
  }

  /** Counts and logs what is refused; refusals leave all as it was. */
  async #counted<Result>(
    counts: { ok: number; refused: number },
    about: object,
    what: string,
    change: () => Promise<Result>,
  ): Promise<Result> {
    try {
      const result = await change();
      counts.ok += 1;
      return result;
    } catch (error) {
      counts.refused += 1;
      const { code, message } = refusalOf(error);
      this.#logger.warn({ ...about, code }, `${what} refused: ${message}`);
      throw error;
    }
  }

  get #live(): Live {
    return this.#changes.live as Live;
  }
}
