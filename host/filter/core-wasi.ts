import { randomBytes, webcrypto } from "node:crypto";
import { type GuestMemory, GuestTrap } from "./guest-memory.ts";
import type { Services } from "./services.ts";

/** Core functions by import module and name, as a component's main module asks for them. */
export type CoreImports = Record<string, Record<string, (...args: never[]) => unknown>>;

/**
 * The part of WASI 0.2 that Rust's standard library needs, lowered by hand: standard output and error, clocks, randomness, the
 * granted environment. There is nothing to read, no file and no socket. Keys have no patch version (`wasi:io/streams@0.2`).
 */
export function coreWasi(memory: () => GuestMemory, services: Services): CoreImports {
  const write = (at: number, length: number): void => services.say(memory().utf8(at, length));
  const ok = (out: number): void => memory().view.setUint8(out, 0);
  const drop = (): void => {};
  return {
    "wasi:io/error@0.2": { "[resource-drop]error": drop },
    "wasi:io/poll@0.2": {
      "[resource-drop]pollable": drop,
      // Only output streams give pollables, and these never make anyone wait.
      "[method]pollable.block": drop,
    },
    "wasi:io/streams@0.2": {
      "[resource-drop]input-stream": drop,
      "[resource-drop]output-stream": drop,
      "[method]output-stream.check-write": (_self: number, out: number) => {
        ok(out);
        memory().view.setBigUint64(out + 8, WRITE_BYTES_MAX, true);
      },
      "[method]output-stream.write": (_self: number, at: number, length: number, out: number) => {
        write(at, length);
        ok(out);
      },
      "[method]output-stream.blocking-write-and-flush": (_self: number, at: number, length: number, out: number) => {
        write(at, length);
        ok(out);
      },
      "[method]output-stream.flush": (_self: number, out: number) => ok(out),
      "[method]output-stream.blocking-flush": (_self: number, out: number) => ok(out),
      "[method]output-stream.subscribe": () => POLLABLE,
      "[method]input-stream.read": (_self: number, _length: bigint, out: number) => closed(memory(), out),
      "[method]input-stream.blocking-read": (_self: number, _length: bigint, out: number) => closed(memory(), out),
      "[method]input-stream.subscribe": () => POLLABLE,
    },
    "wasi:cli/stdin@0.2": { "get-stdin": () => STDIN },
    "wasi:cli/stdout@0.2": { "get-stdout": () => STDOUT },
    "wasi:cli/stderr@0.2": { "get-stderr": () => STDERR },
    "wasi:cli/exit@0.2": {
      exit: () => {
        throw new GuestTrap("the filter called exit");
      },
    },
    "wasi:cli/environment@0.2": {
      "get-environment": (out: number) => storeEnvironment(memory(), services.environment, out),
      "get-arguments": (out: number) => memory().storePair(4, 0, out),
      "initial-cwd": (out: number) => memory().view.setUint8(out, 0),
    },
    "wasi:cli/terminal-input@0.2": { "[resource-drop]terminal-input": drop },
    "wasi:cli/terminal-output@0.2": { "[resource-drop]terminal-output": drop },
    "wasi:cli/terminal-stdin@0.2": { "get-terminal-stdin": (out: number) => memory().view.setUint8(out, 0) },
    "wasi:cli/terminal-stdout@0.2": { "get-terminal-stdout": (out: number) => memory().view.setUint8(out, 0) },
    "wasi:cli/terminal-stderr@0.2": { "get-terminal-stderr": (out: number) => memory().view.setUint8(out, 0) },
    "wasi:clocks/monotonic-clock@0.2": { now: () => process.hrtime.bigint(), resolution: () => 1n },
    "wasi:clocks/wall-clock@0.2": {
      now: (out: number) => storeTime(memory(), Date.now(), out),
      resolution: (out: number) => storeTime(memory(), 1, out),
    },
    "wasi:random/random@0.2": {
      "get-random-bytes": (length: bigint, out: number) => {
        if (length > RANDOM_BYTES_MAX) throw new GuestTrap(`${length} random bytes are more than ${RANDOM_BYTES_MAX}`);
        memory().storeBytes(randomBytes(Number(length)), out);
      },
      "get-random-u64": randomU64,
    },
    "wasi:random/insecure@0.2": {
      "get-insecure-random-bytes": (length: bigint, out: number) => {
        if (length > RANDOM_BYTES_MAX) throw new GuestTrap(`${length} random bytes are more than ${RANDOM_BYTES_MAX}`);
        memory().storeBytes(randomBytes(Number(length)), out);
      },
      "get-insecure-random-u64": randomU64,
    },
    "wasi:random/insecure-seed@0.2": {
      "insecure-seed": (out: number) => {
        memory().view.setBigUint64(out, randomU64(), true);
        memory().view.setBigUint64(out + 8, randomU64(), true);
      },
    },
  };
}

/** `wasi:io/streams@0.2.6` → `wasi:io/streams@0.2`: every patch version of WASI 0.2 is one and the same here. */
export function withoutPatch(module: string): string {
  return module.startsWith("wasi:") ? module.replace(/@(\d+\.\d+)\.\d+$/, "@$1") : module;
}

const STDIN = 1;
const STDOUT = 2;
const STDERR = 3;
const POLLABLE = 4;

/** What check-write allows at once, a promise of the stream's; lines are bounded elsewhere. */
export const WRITE_BYTES_MAX = 65_536n;
export const RANDOM_BYTES_MAX = 65_536n;

export function randomU64(): bigint {
  return webcrypto.getRandomValues(new BigUint64Array(1))[0] as bigint;
}

/** result<list<u8>, stream-error>: the error `closed`. */
function closed(memory: GuestMemory, out: number): void {
  memory.view.setUint8(out, 1);
  memory.view.setUint8(out + 4, 1);
}

function storeTime(memory: GuestMemory, ms: number, out: number): void {
  memory.view.setBigUint64(out, BigInt(Math.floor(ms / 1000)), true);
  memory.view.setUint32(out + 8, (ms % 1000) * 1_000_000, true);
}

function storeEnvironment(memory: GuestMemory, environment: readonly (readonly [string, string])[], out: number): void {
  const at = memory.allocate(environment.length * 16, 4);
  environment.forEach(([name, value], index) => {
    memory.storeUtf8(name, at + index * 16);
    memory.storeUtf8(value, at + index * 16 + 8);
  });
  memory.storePair(at, environment.length, out);
}
