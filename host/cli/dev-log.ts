import { pino } from "pino";
import type { Observation } from "../kit/dev-observer.ts";
import type { Log } from "../ops/log.ts";
import { exchangeLines, FAILED_LINE, type LogLine, logLines } from "./dev-view.ts";

/**
 * The log of `sluice dev`: for the person who watches, and for nobody else. An exchange is shown when it has ended, with the failures of its
 * filters, whose places in the sources take a while to be found.
 */
export class DevLog implements Log {
  readonly dropped = 0;
  readonly logger: pino.Logger;
  readonly #show: (lines: readonly string[]) => void;
  /** By request: exchanges whose failures have not all been told. */
  readonly #held = new Map<string, Held>();
  /** By request: failures of exchanges that have not ended. */
  readonly #early = new Map<string, LogLine[]>();

  constructor(show: (lines: readonly string[]) => void) {
    this.#show = show;
    // What the host tells of changes is told by who has made them.
    const write = (text: string): void => this.#host(JSON.parse(text) as LogLine);
    this.logger = pino({ base: null }, { write });
  }

  writeBatch(lines: string): void {
    for (const line of lines.split("\n"))
      if (line !== "") this.#take(JSON.parse(line) as LogLine | Observation);
  }

  /** It is for a terminal, whatever the configuration says. */
  use(): void {}

  reopen(): void {}

  /** Shows what still waits. */
  async flush(): Promise<void> {
    for (const held of this.#held.values()) this.#release(held);
    for (const lines of this.#early.values()) for (const line of lines) this.#show(logLines(line));
    this.#early.clear();
  }

  abandon(): void {
    for (const { timer } of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
    this.#early.clear();
  }

  #host(line: LogLine): void {
    if (line.level >= ERROR) this.#show(logLines(line));
  }

  #take(line: LogLine | Observation): void {
    if (!("level" in line)) return this.#ended(line);
    const { filter, request_id: id, level } = line;
    if (line.msg === FAILED_LINE && id !== undefined) return this.#failed(id, line);
    // Without a filter it is about a server of an upstream.
    if (filter !== undefined || level >= WARN) this.#show(logLines(line));
  }

  #ended(observation: Observation): void {
    const { request_id: id } = observation;
    const failures = this.#early.get(id) ?? [];
    this.#early.delete(id);
    const timer = setTimeout(() => this.#release(held), FAILURE_MS);
    const held: Held = { observation, failures, timer };
    this.#held.set(id, held);
    if (failures.length >= observation.failures) this.#release(held);
  }

  #failed(id: string, line: LogLine): void {
    const held = this.#held.get(id);
    if (held === undefined) {
      const early = this.#early.get(id);
      if (early !== undefined) return void early.push(line);
      // One that comes after its exchange was shown, as from a call that was let run out, is shown alone.
      this.#early.set(id, [line]);
      setTimeout(() => this.#alone(id), FAILURE_MS).unref();
      return;
    }
    held.failures.push(line);
    if (held.failures.length >= held.observation.failures) this.#release(held);
  }

  #alone(id: string): void {
    for (const line of this.#early.get(id) ?? []) this.#show(logLines(line));
    this.#early.delete(id);
  }

  #release({ observation, failures, timer }: Held): void {
    clearTimeout(timer);
    this.#held.delete(observation.request_id);
    this.#show(exchangeLines(observation, failures));
  }
}

interface Held {
  readonly observation: Observation;
  readonly failures: LogLine[];
  readonly timer: NodeJS.Timeout;
}

const WARN = 40;
const ERROR = 50;

/** How long it may take to find out where a filter has failed. The log leaves failures out when there are too many. */
const FAILURE_MS = 5_000;
