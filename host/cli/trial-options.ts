import { InvalidArgumentError } from "commander";
import { parseDuration } from "../config/units.ts";
import { AdminError } from "../control/admin-address.ts";
import { TRIAL_DEFAULTS, type TrialKey, type TrialLimits, type TrialRequest } from "../trial/trial.ts";

/** The options of `sluice swap` that make it a trial, as commander gives them. */
export interface TrialOptions {
  /** In percent. */
  readonly canary?: number | undefined;
  readonly key?: TrialKey | undefined;
  readonly shadow?: boolean | undefined;
  readonly for?: number | undefined;
  readonly minExchanges?: number | undefined;
  readonly maxErrors?: number | undefined;
  readonly maxFailures?: number | undefined;
  readonly maxLatency?: number | undefined;
  readonly maxDifferences?: number | undefined;
  readonly wait?: boolean | undefined;
}

/** What is asked for with them; undefined for a plain swap. */
export function readTrial(options: TrialOptions): TrialRequest | undefined {
  const { canary, shadow = false, key } = options;
  if (canary === undefined && !shadow) {
    const [lone] = Object.entries(TRIAL_ONLY).filter(
      ([name]) => options[name as keyof TrialOptions] !== undefined,
    );
    if (lone !== undefined)
      throw new AdminError(`${lone[1]} is for a trial: it goes with --canary or --shadow.`);
    return undefined;
  }
  if (canary !== undefined && shadow) {
    throw new AdminError("A trial is a canary or a shadow: --canary and --shadow exclude each other.");
  }
  if (canary !== undefined) {
    if (options.maxDifferences !== undefined) {
      throw new AdminError(
        "--max-differences is for --shadow: a canary's decisions are compared with nothing.",
      );
    }
    return { kind: "canary", percent: canary, key: key ?? { kind: "client" }, ...limitsOf(options) };
  }
  if (key !== undefined) throw new AdminError("--key is for --canary: a shadow sees every exchange.");
  return { kind: "shadow", ...limitsOf(options) };
}

const TRIAL_ONLY: Readonly<Record<Exclude<keyof TrialOptions, "canary" | "shadow">, string>> = {
  key: "--key",
  for: "--for",
  minExchanges: "--min-exchanges",
  maxErrors: "--max-errors",
  maxFailures: "--max-failures",
  maxLatency: "--max-latency",
  maxDifferences: "--max-differences",
  wait: "--wait",
};

function limitsOf(options: TrialOptions): TrialLimits {
  return {
    forMs: options.for ?? TRIAL_DEFAULTS.forMs,
    exchangesMin: options.minExchanges ?? TRIAL_DEFAULTS.exchangesMin,
    errorPercentMax: options.maxErrors ?? TRIAL_DEFAULTS.errorPercentMax,
    failuresMax: options.maxFailures ?? TRIAL_DEFAULTS.failuresMax,
    addedMsMax: options.maxLatency ?? TRIAL_DEFAULTS.addedMsMax,
    differencePercentMax: options.maxDifferences ?? TRIAL_DEFAULTS.differencePercentMax,
  };
}

/** `5%` or `0.5%`, above 0 and below 100: a share that leaves something to the present version. */
export function parseCanary(text: string): number {
  const percent = parsePercent(text);
  if (percent > 0 && percent < 100) return percent;
  throw new InvalidArgumentError("It is above 0% and below 100%.");
}

/** `5%`, `0.5%`, `100%`. */
export function parsePercent(text: string): number {
  const [, digits] = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(text) ?? [];
  if (digits !== undefined && Number(digits) <= 100) return Number(digits);
  throw new InvalidArgumentError("It is a percentage like 5% or 0.5%.");
}

/** `10m`, `250ms`, or `0` where that means never. */
export function parseTime(text: string): number {
  const ms = text === "0" ? 0 : parseDuration(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError("It is a duration like 10m, 30s or 250ms, or 0.");
}

export function parseCount(text: string): number {
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It is a whole number.");
}

/** `header:x-user`, `cookie:session`, `client` or `none`. */
export function parseKey(text: string): TrialKey {
  if (text === "client" || text === "none") return { kind: text };
  const [, kind, name] = /^(header|cookie):([\w!#$%&'*+.^`|~-]{1,256})$/.exec(text) ?? [];
  if (kind === "header" && name !== undefined) return { kind, name: name.toLowerCase() };
  if (kind === "cookie" && name !== undefined) return { kind, name };
  throw new InvalidArgumentError("It is header:NAME, cookie:NAME, client or none.");
}
