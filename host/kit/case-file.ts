import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { conform, placeAt } from "../config/issue.ts";
import { ConfigError, type Path, formatPath, type Problem } from "../config/problem.ts";
import { type Finding, type Place, readSource } from "../config/source.ts";
import { type Case, INVARIANCES } from "./case.ts";
import type { BodyDraft } from "./case-pieces.ts";
import { CASE, type CaseDraft, type MessageDraft } from "./case-schema.ts";
import type { KitGrant } from "./kit-host.ts";
import { type BodyInput, scriptOf } from "./message-input.ts";
import type { StagedFacts } from "./staged-exchange.ts";

/** The case files of a folder and the folders in it, or the one file. */
export function caseFiles(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.ya?ml$/.test(name) && !name.endsWith(SNAPSHOT))
    .toSorted()
    .map((name) => join(path, name));
}

/** The file that keeps the snapshots of a case file. */
export function snapshotFile(file: string): string {
  return file.replace(/\.ya?ml$/, "") + SNAPSHOT;
}

const SNAPSHOT = ".snap.yaml";

/** The cases of all these files. Throws a `ConfigError` for each file that has something wrong, all at once, as an `AggregateError` of these. */
export function readCaseFiles(files: readonly string[]): Case[] {
  const errors: ConfigError[] = [];
  const cases = files.flatMap((file) => {
    try {
      return readCases(readFileSync(file, "utf8"), file);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      errors.push(error);
      return [];
    }
  });
  const [first] = errors;
  if (errors.length > 1) throw new AggregateError(errors, "several files");
  if (first !== undefined) throw first;
  return cases;
}

/** The cases of a file's text: one for each YAML document. Throws a `ConfigError` with all that is wrong. */
export function readCases(text: string, file: string): Case[] {
  const problems: Problem[] = [];
  const cases: Case[] = [];
  const lineStarts = startsOf(text);
  const names = new Set<string>();
  for (const { from, to } of documentsOf(text)) {
    const { root, findings } = readSource(text.slice(from, to), null);
    if (root?.value === null && findings.length === 0) continue;
    const found = [...findings];
    const draft = root === undefined ? undefined : drafted(root, found);
    const one =
      draft === undefined || root === undefined || found.length > 0
        ? undefined
        : caseOf(draft, root, file, lineAt(lineStarts, from + nameOffset(root)), found);
    if (one !== undefined && names.size === names.add(one.name).size)
      found.push(
        findingAt(root, ["name"], "expected a name that no other case of the file has, got it again"),
      );
    if (one !== undefined) cases.push(one);
    problems.push(...found.map((finding) => problemOf(finding, from, lineStarts)));
  }
  if (problems.length > 0) throw new ConfigError(file, problems);
  return cases;
}

function drafted(root: Place, found: Finding[]): CaseDraft | undefined {
  const verdict = conform(CASE, root);
  if (verdict.kind === "accepted") return verdict.output;
  found.push(...verdict.findings);
  return undefined;
}

function caseOf(draft: CaseDraft, root: Place, file: string, line: number, found: Finding[]): Case {
  const folder = dirname(resolve(file));
  const bytes = (body: BodyDraft, path: Path): BodyInput => {
    if (body instanceof Uint8Array) return body;
    try {
      return readFileSync(resolve(folder, body.file));
    } catch {
      found.push(findingAt(root, [...path, "file"], `expected a file that can be read, got ${body.file}`));
      return "";
    }
  };
  const message = <Draft extends MessageDraft>(
    of: Draft,
    path: Path,
  ): Omit<Draft, "body" | "chunks"> & { body?: BodyInput; chunks?: BodyInput[] } => {
    const { body, chunks, ...rest } = of;
    if (body !== undefined && chunks !== undefined)
      found.push(findingAt(root, [...path, "chunks"], "expected body or chunks, got both"));
    return {
      ...rest,
      ...(body === undefined ? {} : { body: bytes(body, [...path, "body"]) }),
      ...(chunks === undefined
        ? {}
        : { chunks: chunks.map((chunk, at) => bytes(chunk, [...path, "chunks", at])) }),
    };
  };
  const request = message(draft.request, ["request"]);
  const response = message(draft.response, ["response"]);
  try {
    scriptOf(request, response);
  } catch (error) {
    found.push(findingAt(root, ["request"], `expected a request, got ${(error as Error).message}`));
  }
  return {
    name: draft.name,
    file,
    line,
    component: draft.component === undefined ? null : resolve(folder, draft.component),
    config: draft.config,
    grant: grantOf(draft),
    onFailure: draft["on-failure"],
    fuel: draft.limits.fuel,
    memoryBytesMax: draft.limits.memory,
    clock: draft.clock,
    random: draft.random,
    filterName: draft.facts["filter-name"] ?? "test",
    facts: factsOf(draft),
    store: draft.store,
    request,
    response,
    http: draft.http.map(({ request: asked, response: answer, ...rest }, at) => ({
      ...rest,
      request: message(asked, ["http", at, "request"]),
      response: message(answer, ["http", at, "response"]),
    })),
    expect: draft.expect,
    snapshot: draft.snapshot,
    invariance:
      draft.invariance === "all" ? INVARIANCES : draft.invariance === "none" ? [] : draft.invariance,
  };
}

function grantOf({ grant }: CaseDraft): KitGrant {
  const {
    "exchange-facts": exchangeFacts,
    "client-address": clientAddress,
    "rate-limit": rateLimit,
    ...rest
  } = grant;
  return { ...rest, exchangeFacts, clientAddress, rateLimit };
}

function factsOf({ facts }: CaseDraft): Partial<StagedFacts> {
  const given = {
    requestId: facts["request-id"],
    route: facts.route,
    protocol: facts.protocol,
    tlsVersion: facts["tls-version"],
    clientAddress: facts["client-address"],
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** A case is where its name is. */
function nameOffset(root: Place): number {
  return placeAt(root, ["name"]).place?.keyOffset ?? root.offset;
}

function findingAt(root: Place | undefined, path: Path, sentence: string): Finding {
  const place = root === undefined ? undefined : placeAt(root, path).place;
  return { offset: place?.offset ?? root?.offset ?? 0, path: formatPath(path), sentence };
}

/** A line that begins with `---` ends a document wherever it stands: no text of YAML may hold one. */
function documentsOf(text: string): { from: number; to: number }[] {
  const documents: { from: number; to: number }[] = [];
  let from = 0;
  for (const { index } of text.matchAll(/^---(?=\s|$)/gm)) {
    documents.push({ from, to: index });
    from = index;
  }
  documents.push({ from, to: text.length });
  return documents;
}

function startsOf(text: string): number[] {
  return [0, ...Array.from(text.matchAll(/\n/g), ({ index }) => index + 1)];
}

function lineAt(starts: readonly number[], offset: number): number {
  const next = starts.findIndex((start) => start > offset);
  return next < 0 ? starts.length : next;
}

function problemOf({ offset, path, sentence }: Finding, from: number, starts: readonly number[]): Problem {
  const line = lineAt(starts, from + offset);
  return { line, column: from + offset - (starts[line - 1] ?? 0) + 1, path, sentence };
}
