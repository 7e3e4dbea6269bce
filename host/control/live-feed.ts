import { Problem } from "./admin-problem.ts";
import type { Control } from "./control.ts";
import { LiveLook } from "./live-look.ts";
import type { LiveView } from "./live-view.ts";
import { type Document, patchBetween } from "./merge-patch.ts";

/**
 * Tells what the host does to all who look on, each second, as server-sent events. It is computed once for all of them, and not at all
 * while nobody looks.
 *
 * The first event of a stream, `whole`, has everything; each one after it, `patch`, is a JSON merge patch (RFC 7396) of what was before.
 */
export class LiveFeed {
  readonly #control: Control;
  readonly #listeners = new Set<Listener>();
  #look: LiveLook | undefined;
  #view: LiveView | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #closed = false;

  constructor(control: Control) {
    this.#control = control;
  }

  /** `drop`: ends the connection of who does not read. Throws a `Problem` when as many look on as may. */
  open(drop: () => void): ReadableStream<Uint8Array> {
    if (this.#closed) throw new Problem("HOST_UNAVAILABLE", "The host stops.");
    if (this.#listeners.size >= LISTENERS_MAX)
      throw new Problem("LIVE_REFUSED", `${LISTENERS_MAX} look on already, which is all that may.`);
    const listener = new Listener(drop);
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          listener.controller = controller;
        },
        cancel: () => this.#remove(listener),
      },
      { highWaterMark: WAITING_MAX },
    );
    this.#listeners.add(listener);
    this.#timer ??= setInterval(() => void this.#tick(), PERIOD_MS).unref();
    if (this.#view === undefined) void this.#tick();
    else listener.tell(encode("whole", this.#view));
    return stream;
  }

  /** Ends all streams. */
  close(): void {
    this.#closed = true;
    for (const listener of this.#listeners) {
      listener.controller?.close();
      this.#remove(listener);
    }
  }

  async #tick(): Promise<void> {
    // A worker that is busy may take longer to answer than the time between two events.
    if (this.#looking) return;
    this.#looking = true;
    try {
      this.#look ??= new LiveLook(this.#control);
      const view = await this.#look.view();
      if (this.#listeners.size > 0) this.#tell(view);
    } catch {
      // The host does not serve yet, or not any more: who looks on is told by the silence, and the next look may find it.
      for (const listener of this.#listeners) listener.tell(NOTHING);
    } finally {
      this.#looking = false;
    }
  }

  #tell(view: LiveView): void {
    const before = this.#view;
    this.#view = view;
    const whole = once(() => encode("whole", view));
    const patch = once(() => encode("patch", patchBetween(document(before ?? {}), document(view)) ?? {}));
    for (const listener of this.#listeners) {
      const isTold = listener.tell(listener.isNew ? whole() : patch());
      if (isTold) continue;
      this.#remove(listener);
      listener.drop();
    }
  }

  #remove(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    // What was seen long ago says nothing about now.
    this.#look = undefined;
    this.#view = undefined;
  }
}

class Listener {
  controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** It has been told nothing yet that a patch could be of. */
  isNew = true;
  readonly drop: () => void;

  constructor(drop: () => void) {
    this.drop = drop;
  }

  /** Gives whether there was room. */
  tell(event: Uint8Array): boolean {
    const { controller } = this;
    if (controller === undefined || (controller.desiredSize ?? 0) <= 0) return false;
    controller.enqueue(event);
    if (event !== NOTHING) this.isNew = false;
    return true;
  }
}

/** Each costs the main thread some writes a second. */
const LISTENERS_MAX = 16;

/** Events that wait for who reads slowly. */
const WAITING_MAX = 8;

const PERIOD_MS = 1_000;

/** A comment, by which who looks on knows that the connection is there. */
const NOTHING = Buffer.from(":\n\n");

function encode(event: "whole" | "patch", data: object): Buffer {
  return Buffer.from(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

function document(view: object): Document {
  return view as Document;
}

function once<Value>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => (made ??= make());
}
