import { type GuestMemory, GuestTrap } from "./guest-memory.ts";
import type { CoreImports } from "./imports/core.ts";
import { coreFilesystem } from "./imports/filesystem.ts";
import { randomList } from "./imports/random.ts";
import { coreWaiting, READY } from "./imports/waiting.ts";
import type { Services } from "./services.ts";

/**
 * The part of WASI 0.2 that Rust's standard library needs, lowered by hand: standard output and error, clocks, randomness, the
 * granted environment, a file system with nothing in it. There is nothing to read and no socket. Keys have no patch version (`wasi:io/streams@0.2`).
 */
export function coreWasi(memory: () => GuestMemory, services: Services): CoreImports {
  return {
    ...streams(memory, services),
    ...cli(memory, services),
    ...clocks(memory, services),
    ...random(memory, services),
    ...coreWaiting(memory, services),
    ...coreFilesystem(memory),
  };
}

/** Standard output and error take what they are given at once; there is nothing to read. */
function streams(memory: () => GuestMemory, services: Services): CoreImports {
  const ok = (out: number): void => memory().view.setUint8(out, 0);
  const write = (_self: number, at: number, length: number, out: number): void => {
    services.say(memory().utf8(at, length));
    ok(out);
  };
  const flush = (_self: number, out: number): void => ok(out);
  const returned = (): void => services.returned();
  const read = (_self: number, _length: bigint, out: number): void => closed(memory(), out);
  return {
    "wasi:io/error@0.2": { "[resource-drop]error": nothing },
    "wasi:io/streams@0.2": {
      "[resource-drop]input-stream": returned,
      "[resource-drop]output-stream": returned,
      "[method]output-stream.check-write": (_self: number, out: number) => {
        ok(out);
        memory().view.setBigUint64(out + 8, WRITE_BYTES_MAX, true);
      },
      "[method]output-stream.write": write,
      "[method]output-stream.blocking-write-and-flush": write,
      "[method]output-stream.flush": flush,
      "[method]output-stream.blocking-flush": flush,
      "[method]output-stream.subscribe": () => services.lend(READY),
      "[method]input-stream.read": read,
      "[method]input-stream.blocking-read": read,
      "[method]input-stream.subscribe": () => services.lend(READY),
    },
  };
}

function cli(memory: () => GuestMemory, services: Services): CoreImports {
  const none = (out: number): void => memory().view.setUint8(out, 0);
  return {
    "wasi:cli/stdin@0.2": { "get-stdin": () => services.lend(STDIN) },
    "wasi:cli/stdout@0.2": { "get-stdout": () => services.lend(STDOUT) },
    "wasi:cli/stderr@0.2": { "get-stderr": () => services.lend(STDERR) },
    "wasi:cli/exit@0.2": {
      exit: () => {
        throw new GuestTrap("the filter called exit", "trap");
      },
    },
    "wasi:cli/environment@0.2": {
      "get-environment": (out: number) => storeEnvironment(memory(), services.environment, out),
      "get-arguments": (out: number) => memory().storePair(4, 0, out),
      "initial-cwd": none,
    },
    "wasi:cli/terminal-input@0.2": { "[resource-drop]terminal-input": nothing },
    "wasi:cli/terminal-output@0.2": { "[resource-drop]terminal-output": nothing },
    "wasi:cli/terminal-stdin@0.2": { "get-terminal-stdin": none },
    "wasi:cli/terminal-stdout@0.2": { "get-terminal-stdout": none },
    "wasi:cli/terminal-stderr@0.2": { "get-terminal-stderr": none },
  };
}

function clocks(memory: () => GuestMemory, services: Services): CoreImports {
  return {
    "wasi:clocks/wall-clock@0.2": {
      now: (out: number) => storeTime(memory(), services.time.wallNs, out),
      resolution: (out: number) => storeTime(memory(), 1_000_000n, out),
    },
  };
}

function random(memory: () => GuestMemory, services: Services): CoreImports {
  const bytes = (length: bigint, out: number): void =>
    memory().storeBytes(randomList(services.random, length), out);
  const u64 = (): bigint => services.random.u64();
  return {
    "wasi:random/random@0.2": { "get-random-bytes": bytes, "get-random-u64": u64 },
    "wasi:random/insecure@0.2": { "get-insecure-random-bytes": bytes, "get-insecure-random-u64": u64 },
    "wasi:random/insecure-seed@0.2": {
      "insecure-seed": (out: number) => {
        memory().view.setBigUint64(out, services.random.seed(), true);
        memory().view.setBigUint64(out + 8, services.random.seed(), true);
      },
    },
  };
}

function nothing(): void {}

/** `wasi:io/streams@0.2.6` → `wasi:io/streams@0.2`: every patch version of WASI 0.2 is one and the same here. */
export function withoutPatch(module: string): string {
  return module.startsWith("wasi:") ? module.replace(/@(\d+\.\d+)\.\d+$/, "@$1") : module;
}

const STDIN = 1;
const STDOUT = 2;
const STDERR = 3;

/** What check-write allows at once, a promise of the stream's; lines are bounded elsewhere. */
export const WRITE_BYTES_MAX = 65_536n;

/** result<list<u8>, stream-error>: the error `closed`. */
function closed(memory: GuestMemory, out: number): void {
  memory.view.setUint8(out, 1);
  memory.view.setUint8(out + 4, 1);
}

function storeTime(memory: GuestMemory, ns: bigint, out: number): void {
  memory.view.setBigUint64(out, ns / 1_000_000_000n, true);
  memory.view.setUint32(out + 8, Number(ns % 1_000_000_000n), true);
}

function storeEnvironment(
  memory: GuestMemory,
  environment: readonly (readonly [string, string])[],
  out: number,
): void {
  const at = memory.allocate(environment.length * 16, 4);
  environment.forEach(([name, value], index) => {
    memory.storeUtf8(name, at + index * 16);
    memory.storeUtf8(value, at + index * 16 + 8);
  });
  memory.storePair(at, environment.length, out);
}
