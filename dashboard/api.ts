import { token } from "./session.ts";

/** The admin API has said no: its sentence, and its code. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly code: string;
  readonly problems: readonly PlacedProblem[];
  /** Of GENERATION_CHANGED: the live one. */
  readonly generation: number | undefined;

  constructor(code: string, detail: string, members: Members = {}) {
    super(detail);
    this.code = code;
    this.problems = members.problems ?? [];
    this.generation = members.generation;
  }
}

interface Members {
  readonly problems?: readonly PlacedProblem[];
  readonly generation?: number;
}

export interface PlacedProblem {
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly sentence: string;
}

export function read<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  return answerOf(request(path, { signal: signal ?? null }));
}

/** `ifGeneration`: the change is refused when another one is live. */
export function post<Answer>(path: string, body: object, ifGeneration?: number): Promise<Answer> {
  const condition = ifGeneration === undefined ? {} : { "if-match": `"${ifGeneration}"` };
  const headers = { "content-type": "application/json", ...condition };
  return answerOf(request(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

/** The events of `/v1/live`, as they come. Rejects with an `ApiProblem` when there will be none. */
export async function events(signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const answer = await request("/v1/live", { signal });
  if (!answer.ok || answer.body === null) throw await problemOf(answer);
  return answer.body;
}

export function filterPath(name: string): string {
  return `/v1/filters/${encodeURIComponent(name)}`;
}

export function upstreamPath(name: string): string {
  return `/v1/upstreams/${encodeURIComponent(name)}`;
}

/** What went wrong, for a person. */
export function sentenceOf(error: unknown): string {
  if (error instanceof ApiProblem) return asSentence(error.message);
  return "The host does not answer.";
}

function asSentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

function request(path: string, init: RequestInit): Promise<Response> {
  const own = token();
  const headers = { ...(init.headers as Record<string, string> | undefined) };
  if (own !== undefined) headers["authorization"] = `Bearer ${own}`;
  return fetch(path, { ...init, headers, cache: "no-store", credentials: "omit", redirect: "error" });
}

async function answerOf<Answer>(asked: Promise<Response>): Promise<Answer> {
  const answer = await asked;
  if (!answer.ok) throw await problemOf(answer);
  return (await answer.json()) as Answer;
}

async function problemOf(answer: Response): Promise<ApiProblem> {
  const problem = (await answer.json().catch(() => ({}))) as Members & { code?: string; detail?: string };
  return new ApiProblem(problem.code ?? "", problem.detail ?? `Status ${answer.status}.`, problem);
}
