import { type Answer, WAITING } from "./borrowing.ts";
import type { ChainOwner, ChainRun } from "./chain.ts";
import { Failure } from "./failure.ts";
import { HOLD } from "./filter/contract.ts";
import type { Filter } from "./filter/filter.ts";
import { HeldBody } from "./held-body.ts";
import { keptView } from "./http1/socket-reader.ts";
import {
  AS_IT_CAME,
  type FieldList,
  type RequestHead,
  type ResponseHead,
  Trailers,
  UNKNOWN,
} from "./message.ts";
import { Outlet } from "./outlet.ts";
import { type Stage, stageOf, type Way } from "./stage.ts";

/**
 * One message on its way through the filters of a chain, where some of them take its body.
 *
 * The head goes from stage to stage, and waits where a filter wants the whole body before. Chunks follow it, one at a time
 * through all stages that it has left behind; then the end, with the trailers. What the last stage lets out goes to the owner.
 *
 * Whenever a call cannot be made yet, all stands still where it is until `resume`: what comes meanwhile waits at the
 * entry, and its sender is asked to pause. Every step is left before the next one begins, so that any of them can be the one
 * that waits.
 */
export class Passage {
  readonly #way: Way;
  readonly #run: ChainRun;
  readonly #owner: ChainOwner;
  readonly #stages: readonly Stage[];
  readonly #head: RequestHead | ResponseHead;
  /** Of the body as it came: 0 without one, -1 when only its end will tell. */
  readonly #length: number;
  /** The same as far as the head has come. */
  #known: number;
  #came = 0;
  /** The stage that the head is at; beyond the last one it may leave. */
  #at = 0;
  /** What the head's stage has gathered of the body. */
  #gathered: HeldBody | undefined;
  /** The stage that the end is at. */
  #endAt = 0;
  #ended = false;
  readonly #trailers = new Trailers(NONE);
  /** Chunks within the chain; the one that goes on first is the last. */
  readonly #work: Piece[] = [];
  /** Chunks before the chain. */
  readonly #entry: Piece[] = [];
  /** Whether there is a body, as it is at the frontier. */
  #bodied: boolean;
  /** Whether a filter has had a say in the body. */
  #touched = false;
  /** Whether one has it chunk by chunk, and may change its length with any of them. */
  #streamed = false;
  readonly #outlet: Outlet;
  /** A call waits for its instance. */
  #waits = false;
  #moving = false;
  #over = false;
  /** The sender has been asked to pause, or has not been asked to begin. */
  #paused: boolean;

  /** `filters`: in the order of requests; a response passes them in reverse. */
  constructor(
    direction: Way,
    run: ChainRun,
    filters: readonly Filter[],
    head: RequestHead | ResponseHead,
    length: number,
    owner: ChainOwner,
  ) {
    this.#way = direction;
    this.#run = run;
    this.#owner = owner;
    this.#head = head;
    this.#length = length;
    this.#known = length;
    this.#bodied = length !== 0;
    const { inward } = direction;
    this.#paused = inward;
    this.#outlet = new Outlet(inward, owner);
    const stages = filters.map((filter, at) => stageOf(filter, at, inward));
    this.#stages = inward ? stages : stages.toReversed();
  }

  begin(): void {
    // Nobody tells of the end of a request that has no body.
    this.#ended = this.#way.inward && this.#length === 0;
    this.#move();
  }

  /** A whole message at once. Nothing of it leaves before all of it does. */
  whole(body: Buffer): void {
    this.#ended = true;
    if (body.length > 0) this.#entry.push({ at: 0, chunk: body, last: true });
    this.#move();
  }

  /** A piece of the body. Gives false when no more should come: the owner is told when it may. */
  chunk(chunk: Buffer): boolean {
    if (this.#over) return true;
    this.#came += chunk.length;
    const last = this.#came === this.#length;
    if (this.#moving || this.#waits) this.#entry.push({ at: 0, chunk: keptView(chunk), last });
    else {
      this.#moving = true;
      this.#pass(0, chunk, last);
      this.#moving = false;
      if (this.#work.length > 0) this.#move();
    }
    this.#paused = !this.room;
    return !this.#paused;
  }

  /** The body is over. */
  end(trailers: FieldList): void {
    if (this.#over || this.#ended) return;
    this.#ended = true;
    this.#trailers.fields = trailers;
    this.#move();
  }

  /** The instance that a call waits for is there. */
  resume(): void {
    if (!this.#waits) return;
    this.#waits = false;
    this.#move();
  }

  /** The receiver has room again, or is there. */
  drained(): void {
    this.#outlet.drained();
    this.#beckon();
  }

  /** Nothing passes any more. */
  stop(): void {
    this.#over = true;
    this.#work.length = 0;
    this.#entry.length = 0;
    this.#gathered = undefined;
    this.#outlet.take();
  }

  /** Whether there is somebody to take what comes. */
  get room(): boolean {
    if (this.#over) return true;
    return !this.#waits && !this.#outlet.full && (this.#gathered !== undefined || this.#outlet.flows);
  }

  /** Goes on with what is furthest ahead, until there is nothing or something has to be waited for. */
  #move(): void {
    if (this.#moving) return;
    this.#moving = true;
    while (!this.#waits && !this.#over) {
      if (this.#at < this.#stages.length && this.#gathered === undefined) this.#moveHead();
      else {
        const piece = this.#work.pop() ?? this.#entry.shift();
        if (piece !== undefined) this.#pass(piece.at, piece.chunk, piece.last);
        else if (this.#ended && this.#endAt < this.#stages.length) this.#moveEnd();
        else break;
      }
    }
    this.#moving = false;
    if (this.#over) return;
    this.#leave();
    this.#beckon();
  }

  #moveHead(): void {
    const way = this.#way;
    const stage = this.#stages[this.#at] as Stage;
    const { at } = stage;
    const gathers = stage.mode === "buffered" && this.#run.serves(at);
    if (gathers && this.#known > stage.bytesMax) return this.#refuse(stage);
    if (stage.head) {
      const answer = this.#run.call(at, way.head, this.#head, undefined, false);
      if (answer === WAITING) return this.#wait();
      stage.head = false;
      if (way.inward) this.#run.reach(at);
      if (answer !== undefined) return this.#stop(stage, answer);
    } else if (way.inward) this.#run.reach(at);
    if (stage.mode === "buffered" && this.#run.serves(at)) {
      this.#gathered = new HeldBody();
      return this.#beckon();
    }
    this.#headPassed(stage);
  }

  #headPassed(stage: Stage): void {
    if (stage.mode === "stream" && this.#bodied && this.#run.serves(stage.at)) {
      this.#streamed = true;
      this.#known = UNKNOWN;
    }
    this.#run.over(stage.at, this.#way.headPhase);
    if (!this.#way.inward) this.#run.passed(stage.at);
    this.#at += 1;
  }

  /** A chunk goes through the stages that the head has left behind, for as long as it stays one and the same. */
  #pass(from: number, chunk: Buffer, last: boolean): void {
    for (let at = from; at < this.#at; at++) {
      const stage = this.#stages[at] as Stage;
      if (stage.mode !== "stream") continue;
      const answer = this.#run.call(stage.at, this.#way.body, undefined, chunk, last);
      if (answer === WAITING) {
        this.#work.push({ at, chunk, last });
        return this.#wait();
      }
      if (!this.#chunkDecided(stage, at, chunk, last, answer)) return;
    }
    this.#arrived(chunk);
  }

  /** Whether the chunk goes on alone and as it is. */
  #chunkDecided(stage: Stage, at: number, chunk: Buffer, last: boolean, answer: Answer): boolean {
    this.#touched = true;
    if (last) stage.told = true;
    if (answer === undefined && stage.held === undefined) return true;
    if (answer === undefined) this.#release(stage, at, chunk, last);
    else if (answer instanceof Uint8Array) {
      stage.held = undefined;
      if (answer.length > 0) this.#work.push({ at: at + 1, chunk: answer, last });
    } else if (answer !== HOLD) this.#stop(stage, answer);
    else this.#hold(stage, at, chunk, last);
    return false;
  }

  #hold(stage: Stage, at: number, chunk: Buffer, last: boolean): void {
    stage.held ??= new HeldBody();
    const { bodyHeldBytesMax } = stage.filter;
    if (stage.held.length + chunk.length > bodyHeldBytesMax) {
      const failure = this.#run.refuse(
        stage.at,
        this.#way.body,
        `more than ${bodyHeldBytesMax} bytes of a body are held`,
      );
      if (failure !== undefined) return this.#stop(stage, failure);
      // The policy is open: nothing of the message is lost.
      this.#release(stage, at, chunk, last);
    } else if (last) this.#release(stage, at, chunk, last);
    else stage.held.push(chunk);
  }

  /** What was held goes on, and the chunk behind it. */
  #release(stage: Stage, at: number, chunk: Buffer, last: boolean): void {
    const chunks = [...(stage.held?.chunks ?? [])];
    if (chunk.length > 0) chunks.push(chunk);
    stage.held = undefined;
    this.#spread(at + 1, chunks, last);
  }

  #spread(at: number, chunks: readonly Buffer[], last: boolean): void {
    for (let index = chunks.length - 1; index >= 0; index--)
      this.#work.push({ at, chunk: chunks[index] as Buffer, last: last && index === chunks.length - 1 });
  }

  /** Where the head is, chunks stay: with the filter that gathers them, or with the owner. */
  #arrived(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.#gathered !== undefined) {
      const stage = this.#stages[this.#at] as Stage;
      this.#gathered.push(chunk);
      if (this.#gathered.length > stage.bytesMax) this.#refuse(stage);
    } else this.#outlet.push(chunk);
  }

  #moveEnd(): void {
    const stage = this.#stages[this.#endAt] as Stage;
    if (this.#endAt === this.#at) return this.#wholeBody(stage);
    if (stage.mode === "stream" && this.#bodied && !stage.told) return this.#pass(this.#endAt, EMPTY, true);
    if (stage.trailers && this.#trailers.fields.length > 0) {
      const answer = this.#run.call(stage.at, this.#way.trailers, this.#trailers, undefined, false);
      if (answer === WAITING) return this.#wait();
      stage.trailers = false;
      if (answer !== undefined) return this.#stop(stage, answer);
    }
    this.#run.over(stage.at, this.#way.bodyPhases);
    this.#endAt += 1;
  }

  /** All of the body that the head waits for is there. */
  #wholeBody(stage: Stage): void {
    const body = this.#gathered as HeldBody;
    const answer = this.#run.call(stage.at, this.#way.body, this.#head, body, true);
    if (answer === WAITING) return this.#wait();
    if (answer !== undefined && !(answer instanceof Uint8Array)) return this.#stop(stage, answer);
    this.#gathered = undefined;
    stage.mode = "none";
    const replaced = answer !== undefined;
    if (this.#bodied || (replaced && answer.length > 0)) {
      this.#bodied = true;
      this.#touched = true;
    }
    this.#headPassed(stage);
    this.#known = replaced ? answer.length : body.length;
    const chunks = replaced ? (answer.length > 0 ? [answer] : []) : body.chunks;
    this.#spread(this.#at, chunks, true);
  }

  /** The head leaves when it has come through. Of a message that is here as a whole, all leaves at once. */
  #leave(): void {
    const through = this.#ended && this.#endAt === this.#stages.length;
    if (!this.#outlet.left) {
      if (this.#at < this.#stages.length || (this.#ended && !through)) return;
      this.#outlet.leave();
      if (through) return this.#leaveWhole();
      this.#passed(this.#streamed ? UNKNOWN : AS_IT_CAME, undefined);
    }
    this.#outlet.flush();
    if (!through || this.#over) return;
    this.#over = true;
    if (this.#way.inward) this.#owner.requestEnded(this.#trailers.fields);
    else this.#owner.responseEnded(this.#trailers.fields);
  }

  #leaveWhole(): void {
    this.#over = true;
    const body = this.#outlet.take() ?? new HeldBody();
    body.trailers = this.#trailers.fields;
    if (!this.#touched)
      return this.#passed(AS_IT_CAME, this.#length === 0 && this.#way.inward ? undefined : body);
    this.#passed(body.trailers.length > 0 ? UNKNOWN : body.length, body);
  }

  #passed(framing: number, body: HeldBody | undefined): void {
    if (this.#way.inward) this.#owner.requestPassed(framing, body);
    else this.#owner.responsePassed(this.#head as ResponseHead, framing, body);
  }

  /** Lets the sender go on, when it waits and need not. */
  #beckon(): void {
    if (!this.#paused || this.#ended || this.#over || !this.room) return;
    this.#paused = false;
    if (this.#way.inward) this.#owner.requestWanted();
    else this.#owner.responseWanted();
  }

  #wait(): void {
    this.#waits = true;
    for (const piece of this.#work) piece.chunk = keptView(piece.chunk);
  }

  #stop(stage: Stage, answer: Exclude<Answer, undefined>): void {
    this.stop();
    this.#run.stopped(stage.at, answer);
  }

  #refuse({ at, filter, bytesMax }: Stage): void {
    this.stop();
    const detail = `${filter.name} takes bodies of up to ${bytesMax} bytes`;
    this.#run.stopped(at, new Failure(this.#way.tooLarge, detail));
  }
}

/** A chunk before a stage. */
interface Piece {
  readonly at: number;
  chunk: Buffer;
  readonly last: boolean;
}

const EMPTY = Buffer.alloc(0);
const NONE: FieldList = [];
