import { type FieldList, Reply, ResponseHead } from "../message.ts";
import {
  type BodyDecision,
  type ChunkDecision,
  FilterFault,
  type FilterLimits,
  HOLD,
  RESET,
  type Saved,
} from "./contract.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { checkReply } from "./head-access.ts";

/** A `types.decision`; undefined: proceed. */
export function loadDecision(memory: GuestMemory, at: number, limits: FilterLimits): Reply | undefined {
  const decision = memory.view.getUint8(at);
  if (decision === 0) return undefined;
  if (decision === 1) return loadReply(memory, at + 4, limits);
  throw new FilterFault(`${decision} is no case of a decision`);
}

/** A `types.chunk-decision`. */
export function loadChunkDecision(memory: GuestMemory, at: number, limits: FilterLimits): ChunkDecision {
  const decision = memory.view.getUint8(at);
  if (decision === 0) return undefined;
  if (decision === 1) return loadBytes(memory, at + 4);
  if (decision === 2) return HOLD;
  if (decision === 3) return loadReply(memory, at + 4, limits);
  if (decision === 4) return RESET;
  throw new FilterFault(`${decision} is no case of a chunk-decision`);
}

/** A `types.body-decision`. */
export function loadBodyDecision(memory: GuestMemory, at: number, limits: FilterLimits): BodyDecision {
  const decision = memory.view.getUint8(at);
  if (decision === 0) return undefined;
  if (decision === 1) return loadBytes(memory, at + 4);
  if (decision === 2) return loadReply(memory, at + 4, limits);
  throw new FilterFault(`${decision} is no case of a body-decision`);
}

/** The `list<u8>` of a state. A length beyond the memory is a trap, whatever the limit is. */
export function loadSaved(memory: GuestMemory, at: number, { stateBytesMax }: FilterLimits): Saved {
  const { view } = memory;
  const [from, length] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
  memory.check(from, length);
  return length > stateBytesMax ? length : memory.copy(from, length);
}

/** A `result<_, string>`: the sentence of its error. */
export function loadRefusal(memory: GuestMemory, at: number): string | undefined {
  const { view } = memory;
  const result = view.getUint8(at);
  if (result === 0) return undefined;
  if (result === 1) return memory.utf8(view.getUint32(at + 4, true), view.getUint32(at + 8, true));
  throw new FilterFault(`${result} is no case of a result`);
}

function loadBytes(memory: GuestMemory, at: number): Buffer {
  const { view } = memory;
  const bytes = memory.copy(view.getUint32(at, true), view.getUint32(at + 4, true));
  return Buffer.from(bytes.buffer);
}

/** A `filter.body-mode`: its case, and the payload of `buffered`. */
export function loadBodyMode(view: DataView, at: number): { tag: number; bytesMax: number } {
  return { tag: view.getUint8(at), bytesMax: view.getUint32(at + 4, true) };
}

function loadReply(memory: GuestMemory, at: number, limits: FilterLimits): Reply {
  const view = memory.view;
  const status = view.getUint16(at, true);
  const list = view.getUint32(at + 4, true);
  const count = view.getUint32(at + 8, true);
  const bodyLength = view.getUint32(at + 16, true);
  // Before anything is copied: a made-up length must not make the host build a list of it.
  if (count * 4 + bodyLength > limits.replyBytesMax)
    throw new FilterFault(`reply: more than ${limits.replyBytesMax} bytes`, "size");
  const fields: FieldList = [];
  for (let index = 0; index < count; index++) {
    const field = list + index * 16;
    fields.push(
      memory.latin1(view.getUint32(field, true), view.getUint32(field + 4, true)),
      memory.latin1(view.getUint32(field + 8, true), view.getUint32(field + 12, true)),
    );
  }
  const body = memory.copy(view.getUint32(at + 12, true), bodyLength);
  return checkReply(new Reply(new ResponseHead(status, fields), body), limits);
}
