import { closeSync, openSync, writeSync } from "node:fs";
import { AdminError } from "../control/admin-address.ts";
import { encodeEnd, type RecordingEnd } from "../record/record-file.ts";
import { RECORD_DEFAULTS, RECORD_MS_MAX, type RecordRequest } from "../record/record-request.ts";
import { isNeverKept } from "../record/redaction.ts";
import { asking, type AskOptions, printJson } from "./asking.ts";
import { printable } from "./complaint.ts";
import { DONE } from "./exit-code.ts";
import { LiveLine } from "./live-line.ts";
import { count, duration } from "./wording.ts";

export interface RecordOptions extends AskOptions {
  readonly for?: number | undefined;
  readonly max?: number | undefined;
  readonly sample?: number | undefined;
  readonly headers?: string | undefined;
  readonly bodies?: boolean | undefined;
  readonly o?: string | undefined;
}

/** Has a host record a filter's exchanges, and writes them down as they come. SIGINT ends it, and what has come stays. */
export function record(filter: string, options: RecordOptions): Promise<number> {
  return asking(options, async (client) => {
    const request = readRequest(options);
    const { o: file, json } = options;
    if (json && file === undefined)
      throw new AdminError(
        "--json tells how the recording has ended, and needs -o for the recording itself.",
      );
    const sink = new Sink(file);
    const line = new LiveLine();
    const began = performance.now();
    const interrupt = new AbortController();
    const stop = (): void => interrupt.abort();
    process.once("SIGINT", stop).once("SIGTERM", stop);
    try {
      for await (const bytes of client.record(filter, request, interrupt.signal)) {
        sink.write(bytes);
        line.show(`${filter}: ${count(sink.exchanges, "exchange")}, ${duration(performance.now() - began)}`);
      }
    } finally {
      process.off("SIGINT", stop).off("SIGTERM", stop);
      line.clear();
      sink.close();
    }
    const end = sink.end ?? { recorded: sink.exchanges, dropped: 0, reason: "stopped" };
    if (json) printJson({ file, ...end });
    else process.stderr.write(`${printable(sentenceOf(end, file))}\n`);
    return DONE;
  });
}

function readRequest(options: RecordOptions): RecordRequest {
  const headers = (options.headers ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "");
  const never = headers.find(isNeverKept);
  if (never !== undefined)
    throw new AdminError(
      `--headers names ${never}, which is never recorded: it says who or where somebody is.`,
    );
  const forMs = options.for ?? RECORD_DEFAULTS.forMs;
  if (forMs < 1 || forMs > RECORD_MS_MAX)
    throw new AdminError(`--for takes from 1ms to ${RECORD_MS_MAX / 60_000}m.`);
  return {
    forMs,
    exchangesMax: options.max ?? RECORD_DEFAULTS.exchangesMax,
    samplePercent: options.sample ?? RECORD_DEFAULTS.samplePercent,
    headers,
    bodies: options.bodies ?? false,
  };
}

function sentenceOf({ recorded, dropped, reason }: RecordingEnd, file: string | undefined): string {
  const lost = dropped === 0 ? "" : `, ${dropped} more could not be: there were too many at once`;
  const where = file === undefined ? "" : ` in ${file}`;
  return `${count(recorded, "exchange")} recorded${where}${lost} (ended: ${reason})`;
}

/** Where a recording goes. The file is made when something comes, and for this user alone. */
class Sink {
  exchanges = -1;
  end: RecordingEnd | undefined;
  readonly #file: string | undefined;
  #descriptor: number | undefined;
  #tail = "";

  constructor(file: string | undefined) {
    this.#file = file;
  }

  write(bytes: Buffer): void {
    const text = this.#tail + bytes.toString("latin1");
    const lines = text.split("\n");
    this.#tail = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith(END)) this.end = (JSON.parse(line) as { end: RecordingEnd }).end;
      else this.exchanges += 1;
    }
    if (this.#file === undefined) process.stdout.write(bytes);
    else {
      this.#descriptor ??= openSync(this.#file, "w", 0o600);
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at);
    }
  }

  close(): void {
    this.exchanges = Math.max(0, this.exchanges);
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
  }
}

const END = encodeEnd({ recorded: 0, dropped: 0, reason: "time" }).slice(0, '{"end":'.length);
