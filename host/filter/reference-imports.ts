import type { FieldList } from "../message.ts";
import type { MetadataValue } from "./contract.ts";
import { GuestTrap } from "./guest-memory.ts";
import type { HeadAccess } from "./head-access.ts";
import { referenceHttp } from "./imports/http-client.ts";
import { referenceClock } from "./imports/clock.ts";
import { referenceFilesystem } from "./imports/filesystem.ts";
import { referenceMetrics } from "./imports/metrics.ts";
import { randomList, referenceRandom } from "./imports/random.ts";
import { referenceRateLimit } from "./imports/rate-limit.ts";
import { referenceSecrets } from "./imports/secrets.ts";
import { referenceStore } from "./imports/store.ts";
import { InputStream, OutputStream } from "./imports/streams.ts";
import { referenceWaiting } from "./imports/waiting.ts";
import type { Services } from "./services.ts";
import { LEVELS, type Level } from "./contract.ts";

/** A field as jco hands it over. */
export type JcoField = [name: string, value: Uint8Array];

/** What the guest may do with a head, in the shape that jco calls. */
class Head {
  protected readonly access: HeadAccess;

  constructor(access: HeadAccess) {
    this.access = access;
  }

  header(name: string): Uint8Array | undefined {
    const value = this.access.header(name.toLowerCase());
    return value === undefined ? undefined : bytesOf(value);
  }

  headerValues(name: string): Uint8Array[] {
    return this.access.headerValues(name.toLowerCase()).map(bytesOf);
  }

  headers(): JcoField[] {
    return jcoFields(this.access.fields);
  }

  setHeader(name: string, value: Uint8Array): void {
    this.access.setHeader(name, textOf(value));
  }

  appendHeader(name: string, value: Uint8Array): void {
    this.access.appendHeader(name, textOf(value));
  }

  removeHeader(name: string): void {
    this.access.removeHeader(name);
  }
}

/** WIT `types.request`. */
export class Request extends Head {
  method(): string {
    return this.access.method;
  }
  setMethod(method: string): void {
    this.access.method = method;
  }
  scheme(): string {
    return this.access.scheme;
  }
  authority(): string {
    return this.access.authority;
  }
  setAuthority(authority: string): void {
    this.access.authority = authority;
  }
  path(): string {
    return this.access.path;
  }
  setPath(path: string): void {
    this.access.path = path;
  }
}

/** WIT `types.response`. */
export class Response extends Head {
  status(): number {
    return this.access.status;
  }
  setStatus(status: number): void {
    this.access.status = status;
  }
}

/** WIT `types.trailers`. */
export class LentTrailers extends Head {}

/** The imports of a component, as jco's linking takes them. It lowers them; the work is done by `services`. */
export function referenceImports(services: Services): Record<string, Record<string, unknown>> {
  return {
    "sluice:filter/types": { Request, Response, Trailers: LentTrailers },
    "sluice:filter/log": {
      enabled: (level: Level) => services.logEnabled(LEVELS.indexOf(level)),
      log: (level: Level, message: string, attributes: [string, string][]) =>
        services.log(level, message, attributes.slice(0, 32)),
    },
    "sluice:filter/exchange-facts": {
      requestId: () => services.facts.requestId,
      route: () => services.facts.route,
      filterName: () => services.filterName,
      protocol: () => services.facts.protocol,
      tlsVersion: () => services.facts.tlsVersion,
      clientAddress: () => services.clientAddress,
      metadata: (key: string) => services.metadata(key),
      setMetadata: (key: string, value: MetadataValue) => services.setMetadata(key, value),
    },
    ...referenceClock(services),
    ...referenceRandom(services),
    ...referenceSecrets(services),
    ...referenceStore(services),
    ...referenceMetrics(services),
    ...referenceRateLimit(services),
    ...referenceHttp(services),
    ...referenceWasi(services),
  };
}

function referenceWasi(services: Services): Record<string, Record<string, unknown>> {
  const output = (): OutputStream =>
    new OutputStream((bytes) => services.say(Buffer.from(bytes).toString("utf8")));
  const nothing = (): undefined => undefined;
  const bytes = (length: bigint): Uint8Array => randomList(services.random, length);
  const u64 = (): bigint => services.random.u64();
  return {
    ...referenceWaiting(services),
    ...referenceFilesystem(),
    "wasi:io/error": { Error: class IoError {} },
    "wasi:io/streams": { InputStream, OutputStream },
    "wasi:cli/stdin": { getStdin: () => new InputStream() },
    "wasi:cli/stdout": { getStdout: () => output() },
    "wasi:cli/stderr": { getStderr: () => output() },
    "wasi:cli/exit": {
      exit: () => {
        throw new GuestTrap("the filter called exit", "trap");
      },
    },
    "wasi:cli/environment": {
      getEnvironment: () => services.environment,
      getArguments: () => [],
      initialCwd: nothing,
    },
    "wasi:cli/terminal-input": { TerminalInput: class TerminalInput {} },
    "wasi:cli/terminal-output": { TerminalOutput: class TerminalOutput {} },
    "wasi:cli/terminal-stdin": { getTerminalStdin: nothing },
    "wasi:cli/terminal-stdout": { getTerminalStdout: nothing },
    "wasi:cli/terminal-stderr": { getTerminalStderr: nothing },
    "wasi:clocks/wall-clock": {
      now: () => datetime(services.time.wallNs),
      resolution: () => datetime(1_000_000n),
    },
    "wasi:random/random": { getRandomBytes: bytes, getRandomU64: u64 },
    "wasi:random/insecure": { getInsecureRandomBytes: bytes, getInsecureRandomU64: u64 },
    "wasi:random/insecure-seed": { insecureSeed: () => [services.random.seed(), services.random.seed()] },
  };
}

function jcoFields(list: FieldList): JcoField[] {
  const fields: JcoField[] = [];
  for (let at = 0; at < list.length; at += 2)
    fields.push([list[at] as string, bytesOf(list[at + 1] as string)]);
  return fields;
}

export function textOf(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("latin1");
}

function bytesOf(value: string): Uint8Array {
  return Buffer.from(value, "latin1");
}

function datetime(ns: bigint): { seconds: bigint; nanoseconds: number } {
  return { seconds: ns / 1_000_000_000n, nanoseconds: Number(ns % 1_000_000_000n) };
}
