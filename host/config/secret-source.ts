import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Config, FilterConfig, SecretConfig, SecretSource } from "./config.ts";
import { SECRET_BYTES_MAX } from "./service-limits.ts";
import { placeAt } from "./issue.ts";
import { secret } from "./grant-schema.ts";
import { formatPath, type Path } from "./problem.ts";
import type { Finding, Place } from "./source.ts";
import type { Variables } from "./substitution.ts";

/** A secret that cannot be read. The sentence says where it was looked for, and nothing of what was found. */
export class SecretRefused extends Error {
  override readonly name = "SecretRefused";
}

/** Reads what a filter is granted. A `SecretRefused` names the secret and the filter. It blocks: only the main thread may call it. */
export function readGranted(
  { name: filter, grant }: FilterConfig,
  known: readonly SecretConfig[],
): Record<string, Uint8Array> {
  const granted = known.filter(({ name }) => grant.secrets?.includes(name));
  const read = ({ name, source }: SecretConfig): [string, Uint8Array] => {
    try {
      return [name, readSecret(source, process.env)];
    } catch (error) {
      if (!(error instanceof SecretRefused)) throw error;
      throw new SecretRefused(`secret ${name} of filter ${filter}: ${error.message}`);
    }
  };
  return Object.fromEntries(granted.map(read));
}

/** What debug headers are signed with; null when none are asked for. A `SecretRefused` names the option. It blocks, too. */
export function readDebugKey({
  timelines,
  secrets,
}: Pick<Config, "timelines" | "secrets">): Uint8Array | null {
  const entry = secrets.find(({ name }) => name === timelines.debug);
  if (entry === undefined) return null;
  try {
    return longEnough(readSecret(entry.source, process.env));
  } catch (error) {
    if (!(error instanceof SecretRefused)) throw error;
    throw new SecretRefused(`secret ${entry.name}: ${error.message}`);
  }
}

/** Who has seen one signature could try short keys one after the other. */
function longEnough(key: Uint8Array): Uint8Array {
  if (key.length >= DEBUG_KEY_BYTES_MIN) return key;
  throw new SecretRefused(
    `expected a key of at least ${DEBUG_KEY_BYTES_MIN} bytes for timelines.debug, got ${key.length}`,
  );
}

const DEBUG_KEY_BYTES_MIN = 16;

function readSecret(source: SecretSource, variables: Variables): Uint8Array {
  const bytes = source.kind === "file" ? readFile(source.path) : readVariable(source.variable, variables);
  if (bytes.length > SECRET_BYTES_MAX)
    throw new SecretRefused(`expected a secret of at most ${SECRET_BYTES_MAX} bytes, got ${bytes.length}`);
  if (bytes.length === 0) throw new SecretRefused("expected a secret, got nothing at all");
  return bytes;
}

/** Finds the secrets that cannot be read. They are read so that a problem has its place; what is read is thrown away. */
export function findSecretProblems(root: Place, folder: string, variables: Variables): Finding[] {
  const debug = placeAt(root, ["timelines", "debug"]).place?.value;
  const names = [...(placeAt(root, ["secrets"]).place?.children.keys() ?? [])];
  return names.flatMap((name) => {
    const path: Path = ["secrets", name];
    const { place, broken } = placeAt(root, path);
    if (place === undefined || broken) return [];
    // What the schema refuses it has refused already.
    const verdict = secret().safeParse(place.value);
    if (!verdict.success) return [];
    const source = verdict.data;
    const absolute = source.kind === "file" ? { ...source, path: resolve(folder, source.path) } : source;
    try {
      const found = readSecret(absolute, variables);
      if (name === debug) longEnough(found);
      return [];
    } catch (error) {
      if (!(error instanceof SecretRefused)) throw error;
      return [{ offset: place.offset, path: formatPath(path), sentence: error.message }];
    }
  });
}

function readVariable(name: string, variables: Variables): Uint8Array {
  const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
  if (value === undefined)
    throw new SecretRefused(`expected a secret in the environment variable ${name}, got no such variable`);
  return Buffer.from(value);
}

function readFile(path: string): Uint8Array {
  let bytes: Buffer;
  try {
    // Looked at first: a device or a log in the place of a secret must not fill the memory.
    const { size } = statSync(path);
    if (size > SECRET_BYTES_MAX)
      throw new SecretRefused(`expected a secret of at most ${SECRET_BYTES_MAX} bytes, got ${size}`);
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof SecretRefused) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "an error";
    throw new SecretRefused(`expected a file that can be read, got ${REASONS[code] ?? code}`);
  }
  return isText(bytes) ? bytes.subarray(0, bytes.length - lineEnd(bytes)) : bytes;
}

/** Editors and `echo` end a text with a line end that nobody means; random bytes are no UTF-8. */
function isText(bytes: Buffer): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function lineEnd(bytes: Buffer): number {
  if (bytes.at(-1) !== 0x0a) return 0;
  return bytes.at(-2) === 0x0d ? 2 : 1;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "no permission to read it",
  EISDIR: "a folder",
};
