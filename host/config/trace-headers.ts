import { isFieldValue } from "../fields.ts";
import type { Config, SecretConfig } from "./config.ts";
import { placeAt } from "./issue.ts";
import { formatPath, type Path } from "./problem.ts";
import { readSecret, secretAt, SecretRefused } from "./secret-source.ts";
import type { Finding, Place } from "./source.ts";
import type { Variables } from "./substitution.ts";

/** The header fields that a collector gets; what they are is in no configuration. */
export type TraceHeaders = Readonly<Record<string, string>>;

/** A `SecretRefused` names the secret and the field. It blocks: only the main thread may call it. */
export function readTraceHeaders({ traces, secrets }: Pick<Config, "traces" | "secrets">): TraceHeaders {
  const read = ([field, secret]: readonly [string, string]): [string, string] => {
    try {
      return [field, valueOf(secrets.find(({ name }) => name === secret) as SecretConfig, process.env)];
    } catch (error) {
      if (!(error instanceof SecretRefused)) throw error;
      throw new SecretRefused(`secret ${secret} of traces.headers.${field}: ${error.message}`);
    }
  };
  return Object.fromEntries((traces?.headers ?? []).map(read));
}

/** Finds the secrets that no header field can have. Those that cannot be read are found elsewhere. */
export function findTraceHeaderProblems(root: Place, folder: string, variables: Variables): Finding[] {
  const fields = placeAt(root, ["traces", "headers"]).place?.children;
  return [...(fields?.keys() ?? [])].flatMap((field) => {
    const path: Path = ["traces", "headers", field];
    const { place, broken } = placeAt(root, path);
    if (place === undefined || broken || typeof place.value !== "string") return [];
    const source = secretAt(root, place.value, folder);
    if (source === undefined) return [];
    try {
      valueOf({ name: place.value, source }, variables);
      return [];
    } catch (error) {
      if (!(error instanceof ValueRefused)) return [];
      return [{ offset: place.offset, path: formatPath(path), sentence: error.message }];
    }
  });
}

class ValueRefused extends SecretRefused {}

function valueOf({ source }: SecretConfig, variables: Variables): string {
  const bytes = Buffer.from(readSecret(source, variables));
  const text = bytes.toString("latin1");
  if (!isFieldValue(text) || text.trim() !== text)
    throw new ValueRefused("expected a secret that a header field can have, got other bytes");
  return text;
}
