import type { Step, Timeline } from "./timeline.ts";

/** Where the time of one exchange went, for the client that asks why it waits (Server-Timing): read when its head is sent. */
export class ServerTiming {
  readonly #beganMs: number;
  readonly #timeline: Timeline | undefined;
  #passedMs = 0;
  #respondedMs = 0;

  /** `beganMs`: when the exchange began, by `performance.now()`. `timeline`: where each step of it is told, too. */
  constructor(beganMs: number, timeline?: Timeline) {
    this.#beganMs = beganMs;
    this.#timeline = timeline;
  }

  /** The request goes to the upstream. */
  requestPassed(): void {
    this.#passedMs = performance.now();
  }

  /** The upstream's head has come. */
  responded(): void {
    this.#respondedMs = performance.now();
  }

  /** In milliseconds: what filters took, waiting for instances included, what the upstream took, tries again included, and all. */
  get value(): string {
    const totalMs = performance.now() - this.#beganMs;
    return [...this.#parts(totalMs), `sluice;dur=${totalMs.toFixed(1)}`].join(", ");
  }

  #parts(totalMs: number): string[] {
    const steps = (this.#timeline?.steps ?? []).slice(0, STEPS_MAX).map((step) => entryOf(step, totalMs));
    // A filter, or the host itself, has answered.
    if (this.#passedMs === 0) return steps;
    const upstreamMs = (this.#respondedMs === 0 ? performance.now() : this.#respondedMs) - this.#passedMs;
    return [
      ...steps,
      `filters;dur=${(totalMs - upstreamMs).toFixed(1)}`,
      `upstream;dur=${upstreamMs.toFixed(1)}`,
    ];
  }
}

/** `keys.request;dur=0.021;desc="pass 3f2a91c0d7e4"`, `api.try;dur=12.031;desc="http://127.0.0.1:9000 200"`. */
function entryOf(step: Step, nowMs: number): string {
  if (step.kind === "call") {
    const { filter, phase, ms, decision, reason, digest } = step;
    return entry(`${filter}.${phase}`, ms, `${reason ?? decision} ${digest.slice(0, DIGEST_DIGITS)}`);
  }
  const { upstream, server, startMs, headMs, ms, status, failure } = step;
  // A server that has answered is still sending its body.
  const tookMs = headMs === null ? (ms ?? nowMs - startMs) : headMs - startMs;
  return entry(`${upstream}.try`, tookMs, `${server} ${failure ?? status}`);
}

/** A name is a token, and a candidate's has an `@`. */
function entry(name: string, ms: number, description: string): string {
  return `${name.replaceAll(/[^\w.-]/g, "_")};dur=${ms.toFixed(3)};desc="${description}"`;
}

/** A head has to stay one that every client takes. */
const STEPS_MAX = 32;

/** As many as everywhere else tell an artifact from others. */
const DIGEST_DIGITS = 12;
