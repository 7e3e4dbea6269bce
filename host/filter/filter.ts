import { type FilterMeter, type FilterPhase, PHASE } from "../ops/meter.ts";
import type { Artifact } from "./artifact.ts";
import {
  ArtifactRefused,
  ConfigRefused,
  type Environment,
  type FilterLimits,
  type HostServices,
  type Instance,
  type Plan,
} from "./contract.ts";
import { DirectInstance } from "./direct.ts";
import { faultOf } from "./fault.ts";
import { type GrantName, whyNotGranted } from "./grants.ts";
import { Handover, type HandoverOwner } from "./handover.ts";
import type { HttpLimits } from "./http-client.ts";
import { STORED_ELSEWHERE } from "./imports/remote-store.ts";
import { whyRefused } from "./plan.ts";
import type { InstanceBudget } from "./budget.ts";
import { InstancePool, type PoolLimits } from "./pool.ts";
import { Quarantine, type QuarantineLimits, type QuarantineOwner } from "./quarantine.ts";
import { importScript, ReferenceInstance } from "./reference.ts";

/** What makes a filter, apart from the worker that it runs in. Plain data, so that equal ones can be told. */
export interface FilterSettings {
  readonly name: string;
  /** JSON text for `configure`. */
  readonly config: string;
  readonly onFailure: "closed" | "open";
  readonly environment: Environment;
  /** What the configuration grants it to import. */
  readonly granted: readonly GrantName[];
  readonly limits: FilterLimits & PoolLimits & HttpLimits;
  readonly quarantine: QuarantineLimits;
}

/** What a filter shares with the others of its worker. */
export interface FilterPlace {
  readonly meter: FilterMeter;
  readonly budget: InstanceBudget;
  readonly quarantine: QuarantineOwner;
  /** Writes a line about it. */
  readonly line: HandoverOwner["line"];
  /** Puts another instance around each that is made: to watch its calls. */
  readonly watched?: ((instance: Instance) => Instance) | undefined;
}

/** A named use of an artifact with its config, in one worker. */
export class Filter {
  readonly name: string;
  /** Of its artifact. */
  readonly digest: string;
  /** Whether it hands a state to the version after it. */
  readonly stateful: boolean;
  readonly plan: Plan;
  readonly onFailure: "closed" | "open";
  readonly pool: InstancePool;
  readonly meter: FilterMeter;
  /** Whether an instance is needed for one call only, and so is free again as soon as that has returned. */
  readonly single: boolean;
  /** The phases that the plan asks for: a bit for each number in `PHASE`. */
  readonly phases: number;
  /** How much of a streamed body it may hold back. */
  readonly bodyHeldBytesMax: number;

  private constructor(
    settings: FilterSettings,
    { digest, state }: Artifact,
    plan: Plan,
    make: () => Instance,
    first: Instance,
    { meter, budget, quarantine }: FilterPlace,
  ) {
    this.name = settings.name;
    this.digest = digest;
    this.stateful = state;
    this.plan = plan;
    this.onFailure = settings.onFailure;
    this.meter = meter;
    this.phases = phasesOf(plan);
    this.bodyHeldBytesMax = settings.limits.bodyHeldBytesMax;
    this.single = isSingle(plan, this.phases);
    this.pool = new InstancePool(
      make,
      first,
      settings.limits,
      meter,
      new Quarantine(settings.quarantine, quarantine),
      budget,
      !this.single,
    );
  }

  /**
   * Makes and configures the first instance. Rejects with an `ArtifactRefused` for an import that is not granted, and
   * with a `ConfigRefused` when `configure` refuses, traps or asks for what is not offered. A
   * `predecessor` hands its state to each instance, where both have one.
   */
  static async load(
    artifact: Artifact,
    settings: FilterSettings,
    host: HostServices,
    place: FilterPlace,
    predecessor?: Filter,
  ): Promise<Filter> {
    const notGranted = whyNotGranted(settings.name, artifact.imports, settings.granted);
    if (notGranted !== undefined) throw new ArtifactRefused(notGranted, { code: "grant" });
    const bare = await maker(artifact, settings, host);
    const { watched } = place;
    const blank = watched === undefined ? bare : (): Instance => watched(bare());
    const handover =
      predecessor?.stateful === true && artifact.state
        ? await Handover.save(predecessor, artifact.digest, settings.limits.stateBytesMax, place)
        : undefined;
    const ready = (): Ready => {
      const made = configured(blank, settings);
      return handover === undefined || handover.restore(made.instance) ? made : configured(blank, settings);
    };
    const { instance: first, plan } = ready();
    const refusal = whyRefused(plan, settings.limits.bodyBufferedBytesMax);
    if (refusal !== undefined) throw new ConfigRefused(`filter ${settings.name} ${refusal}`);
    const wanted = JSON.stringify(plan);
    const make = (): Instance => {
      const { instance, plan: other } = ready();
      if (JSON.stringify(other) !== wanted)
        throw new ConfigRefused(`filter ${settings.name}: two instances ask for different plans`);
      return instance;
    };
    return new Filter(settings, artifact, plan, make, first, place);
  }
}

function isSingle({ requestBody, responseBody }: Plan, phases: number): boolean {
  return (phases & (phases - 1)) === 0 && requestBody.kind !== "stream" && responseBody.kind !== "stream";
}

function phasesOf(plan: Plan): number {
  const bit = (wanted: boolean, phase: FilterPhase): number => (wanted ? 1 << phase : 0);
  return (
    bit(plan.request, PHASE.request) |
    bit(plan.requestBody.kind !== "none", PHASE["request-body"]) |
    bit(plan.requestTrailers, PHASE["request-trailers"]) |
    bit(plan.response, PHASE.response) |
    bit(plan.responseBody.kind !== "none", PHASE["response-body"]) |
    bit(plan.responseTrailers, PHASE["response-trailers"]) |
    bit(plan.end, PHASE.end)
  );
}

async function maker(
  artifact: Artifact,
  settings: FilterSettings,
  host: HostServices,
): Promise<() => Instance> {
  const { limits, environment } = settings;
  if (artifact.direct) return () => new DirectInstance(artifact.main, host, limits, environment);
  const elsewhere =
    host.store.remote !== undefined && artifact.imports.find((name) => STORED_ELSEWHERE.includes(name));
  if (typeof elsewhere === "string") {
    throw new ArtifactRefused(
      `filter ${settings.name} is composed of several components and imports ${elsewhere}, which such a filter can have only without store.server`,
    );
  }
  const script = await importScript(artifact);
  return () => new ReferenceInstance(script, artifact, host, limits, environment);
}

interface Ready {
  readonly instance: Instance;
  readonly plan: Plan;
}

function configured(blank: () => Instance, settings: FilterSettings): Ready {
  let instance: Instance | undefined;
  try {
    instance = blank();
    return { instance, plan: instance.configure(settings.config) };
  } catch (error) {
    if (error instanceof ConfigRefused)
      throw new ConfigRefused(`filter ${settings.name} refuses its config: ${error.message}`);
    const { reason, detail } = faultOf(error, instance?.lastWords() ?? "", instance?.exhausted);
    throw new ConfigRefused(`filter ${settings.name} failed in configure (${reason}): ${detail}`, {
      cause: error,
    });
  }
}
