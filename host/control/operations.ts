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
import { isReference } from "../filter/sources.ts";
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
   * A file that is a filter's component has another digest now. A swap to another file may have come first, and a build may have
   * written the same bytes again.
   */
  async componentChanged(name: string, file: string, digest: string, asked: Asked): Promise<void> {
    await this.#changes.inTurn(asked, async (live) => {
      const filter = live.config.filters.find((other) => other.name === name);
      if (filter === undefined || fileOf(filter) !== file) return;
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
    const change = ({ config }: Live): Omit<Change, "asked"> => {
      const { filter, digest } = promoted(filterOf(config, name));
      return {
        config: withFilter(config, filter),
        // What was tried is what becomes the filter, whatever its source has become meanwhile.
        digests: { [name]: digest },
        committed: () => this.#trialEnded(name, "promoted", why),
        notes: [`filters.${name} trial promoted: ${why}`],
      };
    };
    return this.#counted(undefined, { filter: name }, "promotion", () =>
      this.#changed("promoted", { filter: name, why }, asked, change),
    );
  }

  endTrial(name: string, asked: Asked, why = `ended by ${asked.by}`): Promise<ChangeResult> {
    const change = ({ config }: Live): Omit<Change, "asked"> => {
      const filter = filterOf(config, name);
      if (filter.candidate === null) throw new Refusal("TRIAL_REFUSED", `${name} has no trial`);
      return {
        config: withFilter(config, { ...filter, candidate: null }),
        committed: () => this.#trialEnded(name, "rolled-back", why),
        notes: [`filters.${name} trial rolled back: ${why}`],
      };
    };
    return this.#counted(undefined, { filter: name }, "end of the trial", () =>
      this.#changed("trial rolled back", { filter: name, why }, asked, change),
    );
  }

  rollback(to: number | undefined, asked: Asked): Promise<ChangeResult> {
    return this.#counted(undefined, { to }, "rollback", () =>
      this.#changed("rolled back", { to }, asked, (live) => rolledBack(live, this.#history.records, to)),
    );
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
      return this.#changes.inTurn(asked, (live) => {
        // Who has written the file may have had it applied before it was noticed: what was changed since then stays.
        if (asked.by === "file" && this.#file.isKnown(next)) {
          const same = { config: live.config, reread: true };
          return this.#make("configuration applied", {}, asked, same);
        }
        const config = carriedOver(next, live.config);
        this.#file.refuseRestart(live.config, config, isFile);
        if (isFile) this.#file.says(next);
        return this.#make("configuration applied", {}, asked, { config, reread: true });
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
    const runs = live.loaded.artifacts[name]?.digest;
    const isConfigAlone = request.component === undefined && request.config !== undefined;
    // Another config does not need the registry that the present component is from.
    const stays = isConfigAlone && request.sha256 === undefined && isReference(present.component);
    const next = await swapped(present, request, (filter) =>
      stays && runs !== undefined ? Promise.resolve(runs) : this.#loader.take(filter, live.config),
    );
    const config = withFilter(live.config, next);
    const tooMany = whyTooMany(config.filters);
    if (tooMany !== undefined) throw new Refusal("TRIAL_REFUSED", tooMany);
    const fresh = next.candidate === null && !stays ? new Set([name]) : undefined;
    const changes = await this.#changes.make({ config, asked, ...(fresh && { fresh }) });
    const { number, loaded } = this.#live;
    const candidate = next.candidate ?? { config: next.config };
    const result: SwapResult = {
      generation: number,
      filter: name,
      from: runs ?? "",
      to: next.candidate?.digest ?? loaded.artifacts[name]?.digest ?? "",
      configChanged: !isDeepStrictEqual(present.config, candidate.config),
      durationMs: Math.round(performance.now() - began),
      changes,
    };
    const message = request.trial === undefined ? "swapped" : "trial begun";
    this.#logger.info({ ...result, by: asked.by }, message);
    return result;
  }

  /** One change, in turn. Logs what came of it, and why nothing did. */
  async #changed(
    message: string,
    about: object,
    asked: Asked,
    change: (live: Live) => Omit<Change, "asked">,
  ): Promise<ChangeResult> {
    try {
      return await this.#changes.inTurn(asked, (live) => this.#make(message, about, asked, change(live)));
    } catch (error) {
      const { code, message: why } = refusalOf(error);
      this.#logger.warn({ ...about, code, by: asked.by }, `${message}: refused: ${why}`);
      throw error;
    }
  }

  async #make(
    message: string,
    about: object,
    asked: Asked,
    change: Omit<Change, "asked">,
  ): Promise<ChangeResult> {
    const began = performance.now();
    const changes = await this.#changes.make({ ...change, asked });
    const durationMs = Math.round(performance.now() - began);
    const result = { generation: this.#live.number, durationMs, changes };
    this.#logger.info({ ...result, ...about, by: asked.by }, message);
    return result;
  }

  /** Counts and logs what is refused; refusals leave all as it was. */
  async #counted<Result>(
    counts: Tally | undefined,
    about: object,
    what: string,
    change: () => Promise<Result>,
  ): Promise<Result> {
    try {
      const result = await change();
      if (counts !== undefined) counts.ok += 1;
      return result;
    } catch (error) {
      if (counts !== undefined) counts.refused += 1;
      const { code, message } = refusalOf(error);
      this.#logger.warn({ ...about, code }, `${what} refused: ${message}`);
      throw error;
    }
  }

  get #live(): Live {
    return this.#changes.live as Live;
  }
}

/** A generation that was live before, or the one before the live one, as it can be live again. Throws a `Refusal`. */
function rolledBack(
  { number, config: live }: Live,
  records: History["records"],
  to: number | undefined,
): Omit<Change, "asked"> {
  const known = records.filter((record) => record.number !== number);
  const target = to === undefined ? known.at(-1) : known.find((record) => record.number === to);
  if (target === undefined) {
    const kept = known.length === 0 ? "none is kept" : `kept are ${known.map((it) => it.number).join(", ")}`;
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
}
