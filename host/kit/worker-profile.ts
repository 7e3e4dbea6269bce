import { type Profiler, Session } from "node:inspector/promises";
import { KitError } from "./kit-error.ts";
import { SAMPLE_US } from "./profile.ts";

/**
 * Records where the time of this process's data worker goes until `over`. Rejects with a `KitError` when it ends meanwhile.
 *
 * The main thread speaks with the worker's inspector, so that nothing in the worker has to know of profiles.
 */
export async function profileOfWorker(over: Promise<unknown>): Promise<Profiler.Profile> {
  const session = new Session();
  session.connect();
  try {
    const worker = await WorkerInspector.attach(session);
    await worker.ask("Profiler.enable");
    await worker.ask("Profiler.setSamplingInterval", { interval: SAMPLE_US });
    await worker.ask("Profiler.start");
    await Promise.race([over, worker.gone]);
    const { profile } = (await worker.ask("Profiler.stop")) as { profile: Profiler.Profile };
    await session.post("NodeWorker.disable");
    return profile;
  } finally {
    session.disconnect();
  }
}

/** The inspector of one worker. */
class WorkerInspector {
  /** Rejects when the worker has ended. */
  readonly gone: Promise<never>;
  readonly #session: Session;
  readonly #id: string;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #last = 0;

  private constructor(session: Session, id: string) {
    this.#session = session;
    this.#id = id;
    const { promise, reject } = Promise.withResolvers<never>();
    this.gone = promise;
    // Also where nobody waits for it any more.
    promise.catch(() => {});
    session.on("NodeWorker.receivedMessageFromWorker", ({ params }) => {
      if (params.sessionId !== id) return;
      const answer = JSON.parse(params.message) as Answer;
      this.#waiting.get(answer.id ?? 0)?.(answer);
    });
    session.on("NodeWorker.detachedFromWorker", ({ params }) => {
      if (params.sessionId === id) reject(new KitError("The worker has ended while it was profiled."));
    });
  }

  /** To the data worker, of which there is one. */
  static async attach(session: Session): Promise<WorkerInspector> {
    const found = Promise.withResolvers<string>();
    session.on("NodeWorker.attachedToWorker", ({ params: { workerInfo, sessionId } }) => {
      if (DATA_WORKER.test(workerInfo.title)) found.resolve(sessionId);
    });
    await session.post("NodeWorker.enable", { waitForDebuggerOnStart: false });
    const late = setTimeout(
      () => found.reject(new KitError("There is no worker that could be profiled.")),
      ATTACH_MS,
    );
    return new WorkerInspector(session, await found.promise.finally(() => clearTimeout(late)));
  }

  async ask(method: string, params: object = {}): Promise<unknown> {
    this.#last += 1;
    const id = this.#last;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, resolve);
    const message = JSON.stringify({ id, method, params });
    await this.#session.post("NodeWorker.sendMessageToWorker", { sessionId: this.#id, message });
    const { result, error } = await Promise.race([promise, this.gone]);
    this.#waiting.delete(id);
    if (error !== undefined) throw new KitError(`The worker is not profiled: ${error.message}.`);
    return result;
  }
}

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** As `control/worker-link.ts` names it, in the inspector's words. */
const DATA_WORKER = /\bsluice-\d+$/;

const ATTACH_MS = 5_000;
