import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ArtifactRefused, type FilterLimits, type HostServices } from "./contract.ts";
import { type Frame, framesOf } from "./fault.ts";
import { InputStream, OutputStream } from "./imports/streams.ts";
import { Pollable } from "./imports/waiting.ts";
import { referenceImports } from "./reference-imports.ts";
import { codeOf, digestOf, modulesOf } from "./sections.ts";
import { Services } from "./services.ts";

/** What a command is given, and whom it tells what it writes. */
export interface CommandRun {
  /** The name of the command is the first one. */
  readonly args: readonly string[];
  readonly environment: readonly (readonly [name: string, value: string])[];
  readonly stdout: (bytes: Uint8Array) => void;
  readonly stderr: (bytes: Uint8Array) => void;
}

/** How a command has ended. */
export type CommandEnd =
  | { readonly kind: "done" | "failed" }
  /** It has trapped; `frames` says where. */
  | { readonly kind: "trapped"; readonly detail: string; readonly frames: readonly Frame[] };

/**
 * A component that is run once from its beginning to its end (`wasi:cli/run`), like a test binary of cargo. jco links it, and its
 * imports are those that filters have, but for its arguments, its exit, and clocks that go on: it is no exchange.
 */
export class Command {
  /** Of its main module, for names and lines. */
  readonly code: string;
  readonly main: WebAssembly.Module;
  readonly #modules: ReadonlyMap<string, WebAssembly.Module>;
  readonly #script: CommandScript;
  readonly #host: HostServices;
  readonly #limits: FilterLimits;

  private constructor(
    modules: ReadonlyMap<string, WebAssembly.Module>,
    main: WebAssembly.Module,
    code: string,
    script: CommandScript,
    host: HostServices,
    limits: FilterLimits,
  ) {
    this.#modules = modules;
    this.main = main;
    this.code = code;
    this.#script = script;
    this.#host = host;
    this.#limits = limits;
  }

  /** `host` and `limits` are for the imports of the contract, which a filter's tests may have beside those of a command. */
  static async load(
    file: string,
    bytes: Uint8Array,
    host: HostServices,
    limits: FilterLimits,
  ): Promise<Command> {
    const { transpileBytes } = await import("@bytecodealliance/jco-transpile");
    let files: Record<string, Uint8Array>;
    try {
      ({ files } = await transpileBytes(bytes, {
        name: "component",
        instantiation: "sync",
        base64Cutoff: 0,
      }));
    } catch (error) {
      throw new ArtifactRefused(`${file} cannot be transpiled: ${(error as Error).message}`, {
        cause: error,
      });
    }
    const modules = new Map<string, WebAssembly.Module>();
    for (const [name, code] of Object.entries(files))
      if (name.endsWith(".wasm"))
        modules.set(name, await WebAssembly.compile(code as Uint8Array<ArrayBuffer>));
    const [largest] = modulesOf(bytes).toSorted((one, other) => other.length - one.length);
    const [mainName = ""] = [...modules.keys()].toSorted(
      (one, other) => (files[other]?.length ?? 0) - (files[one]?.length ?? 0),
    );
    const main = modules.get(mainName);
    if (main === undefined || largest === undefined) throw new ArtifactRefused(`${file} has no code`);
    const script = await imported(files["component.js"] ?? new Uint8Array());
    return new Command(modules, main, digestOf(codeOf(largest)), script, host, limits);
  }

  /** In an instance of its own. */
  run(run: CommandRun): CommandEnd {
    const services = new Services(this.#host, this.#limits, run.environment);
    const imports = { ...referenceImports(services), ...commandImports(run) };
    try {
      const { run: entry } = this.#script.instantiate(
        (name) => this.#modules.get(name) as WebAssembly.Module,
        imports,
        (module, given) => new WebAssembly.Instance(module, given),
      );
      entry.run();
      return { kind: "done" };
    } catch (error) {
      if (error instanceof Exited) return { kind: error.status };
      // jco throws what `run` gives as its error.
      if (error instanceof Error && error.constructor.name === "ComponentError") return { kind: "failed" };
      return { kind: "trapped", detail: (error as Error).message, frames: framesOf(error) };
    }
  }
}

interface CommandScript {
  instantiate(
    moduleOf: (name: string) => WebAssembly.Module,
    imports: Record<string, Record<string, unknown>>,
    instantiateCore: (module: WebAssembly.Module, imports: WebAssembly.Imports) => WebAssembly.Instance,
  ): { readonly run: { run(): void } };
}

/** A module has to be a file to be imported. */
async function imported(script: Uint8Array): Promise<CommandScript> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-command-"));
  try {
    const file = join(folder, "component.mjs");
    await writeFile(file, script);
    return (await import(pathToFileURL(file).href)) as CommandScript;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a command has otherwise than a filter. */
function commandImports({
  args,
  environment,
  stdout,
  stderr,
}: CommandRun): Record<string, Record<string, unknown>> {
  return {
    "wasi:cli/environment": {
      getEnvironment: () => environment,
      getArguments: () => args,
      initialCwd: () => undefined,
    },
    "wasi:cli/exit": {
      exit: (status: { readonly tag: "ok" | "err" }) => {
        throw new Exited(status.tag === "ok" ? "done" : "failed");
      },
    },
    "wasi:io/streams": { InputStream, OutputStream },
    "wasi:cli/stdin": { getStdin: () => new InputStream() },
    "wasi:cli/stdout": { getStdout: () => new OutputStream((bytes) => stdout(bytes.slice())) },
    "wasi:cli/stderr": { getStderr: () => new OutputStream((bytes) => stderr(bytes.slice())) },
    "wasi:io/poll": { Pollable, poll: pollAll },
    "wasi:clocks/monotonic-clock": {
      now: () => process.hrtime.bigint(),
      resolution: () => 1n,
      subscribeInstant: (when: bigint) => new Alarm(when),
      subscribeDuration: (ns: bigint) => new Alarm(process.hrtime.bigint() + ns),
    },
    "wasi:clocks/wall-clock": {
      now: () => {
        const ms = Date.now();
        return { seconds: BigInt(Math.floor(ms / 1000)), nanoseconds: (ms % 1000) * 1_000_000 };
      },
      resolution: () => ({ seconds: 0n, nanoseconds: 1_000_000 }),
    },
  };
}

/** A command may wait: this thread serves nobody else. */
class Alarm extends Pollable {
  readonly when: bigint;

  constructor(when: bigint) {
    super(false);
    this.when = when;
  }

  override ready(): boolean {
    return process.hrtime.bigint() >= this.when;
  }

  override block(): void {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    while (!this.ready())
      Atomics.wait(cell, 0, 0, Math.max(Number(this.when - process.hrtime.bigint()) / 1e6, 0.01));
  }
}

function pollAll(pollables: readonly Pollable[]): Uint32Array {
  const readyOnes = (): number[] => pollables.flatMap((one, at) => (one.ready() ? [at] : []));
  let ready = readyOnes();
  if (ready.length > 0) return Uint32Array.from(ready);
  const alarms = pollables.filter((one) => one instanceof Alarm);
  const [first] = alarms.toSorted((one, other) => (one.when < other.when ? -1 : 1));
  first?.block();
  ready = readyOnes();
  return Uint32Array.from(ready);
}

class Exited extends Error {
  readonly status: "done" | "failed";

  constructor(status: "done" | "failed") {
    super(status);
    this.status = status;
  }
}
