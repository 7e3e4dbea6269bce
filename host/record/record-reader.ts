import type { Json } from "../config/config.ts";
import { type BodyMode, ENDINGS, type MetadataValue, type Outcome, type Plan } from "../filter/contract.ts";
import type { GrantName } from "../filter/grants.ts";
import type { HttpAnswer, HttpError } from "../filter/http-client.ts";
import type { FilterFailureReason } from "../ops/meter.ts";
import type {
  ExchangeRecord,
  RecordedDecision,
  RecordedHead,
  RecordedInputs,
  RecordedRequest,
  RecordedStep,
} from "../trial/record.ts";
import {
  bytesIn,
  fieldsIn,
  integerIn,
  listIn,
  type Members,
  numberIn,
  objectIn,
  RecordRefused,
  textIn,
  textsIn,
} from "./record-pieces.ts";
import { type Capsule, RECORD_FILE_FORM, type RecordHeader, type RecordingEnd } from "./record-file.ts";

/** What a recording or a capsule has in it. Records are read when they are asked for: they are many. */
export interface RecordFile {
  readonly header: RecordHeader;
  /** Undefined in a recording. */
  readonly failure: Capsule["failure"] | undefined;
  readonly count: number;
  /** Undefined in a capsule, and in a recording that broke off. */
  readonly end: RecordingEnd | undefined;
  record(at: number): ExchangeRecord;
}

/** Whoever wrote the file: nothing of it is believed before it is looked at. Throws a `RecordRefused`. */
export function readRecordFile(text: string): RecordFile {
  const lines = text.split("\n").filter((line) => line !== "");
  const first = objectIn(parsed(lines[0] ?? "", 1), "the first line");
  if (first["sluice"] === "capsule") return capsuleOf(first);
  if (first["sluice"] !== "recording")
    throw new RecordRefused("it is neither a recording nor a capsule: its first line does not say so");
  const header = headerOf(first);
  let end: RecordingEnd | undefined;
  const last = lines.at(-1) ?? "";
  if (lines.length > 1 && last.startsWith('{"end":'))
    end = endOf(objectIn(parsed(last, lines.length), "the last line")["end"]);
  const count = lines.length - (end === undefined ? 1 : 2);
  return {
    header,
    failure: undefined,
    count,
    end,
    record: (at) => {
      const line = at + 2;
      try {
        return recordOf(parsed(lines[at + 1] ?? "", line), header.bodies);
      } catch (error) {
        if (!(error instanceof RecordRefused) || error.message.startsWith("line ")) throw error;
        throw new RecordRefused(`line ${line}: ${error.message}`);
      }
    },
  };
}

function capsuleOf(document: Members): RecordFile {
  const header = headerOf(document);
  const { reason, stack } = objectIn(document["failure"], "failure");
  const record = recordOf(document["exchange"], header.bodies);
  return {
    header,
    failure: { reason: textIn(reason, "failure.reason"), stack: textsIn(stack, "failure.stack") },
    count: 1,
    end: undefined,
    record: () => record,
  };
}

function parsed(line: string, number: number): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    throw new RecordRefused(`line ${number}: it is no JSON`);
  }
}

function headerOf(members: Members): RecordHeader {
  const { form } = members;
  if (form !== RECORD_FILE_FORM)
    throw new RecordRefused(`it has the form ${String(form)}, and this sluice reads ${RECORD_FILE_FORM}`);
  const limits = objectIn(members["limits"], "limits");
  const grant = objectIn(members["grant"], "grant");
  return {
    form,
    version: textIn(members["version"], "version"),
    filter: textIn(members["filter"], "filter"),
    digest: textIn(members["digest"], "digest"),
    config: (members["config"] ?? null) as Json,
    generation: numberIn(members["generation"], "generation"),
    at: numberIn(members["at"], "at"),
    onFailure: members["onFailure"] === "open" ? "open" : "closed",
    limits: {
      fuel: numberIn(limits["fuel"], "limits.fuel"),
      memoryBytesMax: numberIn(limits["memoryBytesMax"], "limits.memoryBytesMax"),
    },
    grant: {
      names: textsIn(grant["names"], "grant.names") as GrantName[],
      clientAddress: grant["clientAddress"] === true,
      secrets: textsIn(grant["secrets"], "grant.secrets"),
      http: textsIn(grant["http"], "grant.http"),
    },
    headers: textsIn(members["headers"], "headers"),
    bodies: members["bodies"] === true,
  };
}

function endOf(value: unknown): RecordingEnd {
  const { recorded, dropped, reason } = objectIn(value, "end");
  return {
    recorded: numberIn(recorded, "end.recorded"),
    dropped: numberIn(dropped, "end.dropped"),
    reason: textIn(reason, "end.reason") as RecordingEnd["reason"],
  };
}

function recordOf(value: unknown, bodies: boolean): ExchangeRecord {
  const members = objectIn(value, "the exchange");
  const facts = objectIn(members["facts"], "facts");
  const { outcome, endFailed, inputs } = members;
  return {
    filter: textIn(members["filter"], "filter"),
    digest: textIn(members["digest"], "digest"),
    configDigest: textIn(members["configDigest"], "configDigest"),
    plan: planOf(members["plan"]),
    at: numberIn(members["at"], "at"),
    facts: {
      requestId: textIn(facts["requestId"], "facts.requestId"),
      route: textIn(facts["route"], "facts.route"),
      protocol: textIn(facts["protocol"], "facts.protocol"),
      tlsVersion:
        facts["tlsVersion"] === undefined ? undefined : textIn(facts["tlsVersion"], "facts.tlsVersion"),
      clientAddress: "",
    },
    steps: listIn(members["steps"], "steps").map((step) => stepOf(step, bodies)),
    requests: listIn(members["requests"], "requests").map((one) => requestOf(one, bodies)),
    inputs: inputs === undefined ? undefined : inputsOf(inputs),
    outcome: outcome === null ? null : outcomeOf(outcome),
    endFailed: endFailed === null ? null : (textIn(endFailed, "endFailed") as FilterFailureReason),
    cut: members["cut"] === true,
  };
}

function planOf(value: unknown): Plan {
  const plan = objectIn(value, "plan");
  const mode = (name: string): BodyMode => {
    const { kind, bytesMax } = objectIn(plan[name], `plan.${name}`);
    if (kind === "buffered") return { kind, bytesMax: numberIn(bytesMax, `plan.${name}.bytesMax`) };
    return { kind: kind === "stream" ? "stream" : "none" };
  };
  return {
    request: plan["request"] === true,
    requestTrailers: plan["requestTrailers"] === true,
    response: plan["response"] === true,
    responseTrailers: plan["responseTrailers"] === true,
    end: plan["end"] === true,
    requestBody: mode("requestBody"),
    responseBody: mode("responseBody"),
  };
}

function stepOf(value: unknown, bodies: boolean): RecordedStep {
  const step = objectIn(value, "a step");
  const message = numberIn(step["message"], "message");
  const made = step["made"] === null ? null : decisionOf(step["made"], bodies);
  switch (step["kind"]) {
    case "head":
      return {
        kind: "head",
        message,
        made,
        head: headIn(step["head"]),
        length: numberIn(step["length"], "length"),
        metadata: listIn(step["metadata"], "metadata").map((entry) => {
          const [key, one] = listIn(entry, "metadata");
          return [textIn(key, "metadata"), metadataOf(one, bodies)] as const;
        }),
      };
    case "chunk":
      return {
        kind: "chunk",
        message,
        made,
        bytes: bytesIn(step["bytes"], bodies),
        last: step["last"] === true,
      };
    case "body":
      return { kind: "body", message, made, bytes: bytesIn(step["bytes"], bodies) };
    case "trailers":
      return { kind: "trailers", message, made, fields: fieldsIn(step["fields"]) };
    default:
      throw new RecordRefused(`a step is of the kind ${JSON.stringify(step["kind"])}`);
  }
}

function decisionOf(value: unknown, bodies: boolean): RecordedDecision {
  const made = objectIn(value, "a decision");
  const { kind, edited } = made;
  switch (kind) {
    case "proceed":
      if (edited === null) return { kind, edited };
      return { kind, edited: Array.isArray(edited) ? fieldsIn(edited) : headIn(edited) };
    case "replace":
      return { kind, bytes: bytesIn(made["bytes"], bodies), edited: edited === null ? null : headIn(edited) };
    case "hold":
    case "reset":
      return { kind };
    case "reply":
      return {
        kind,
        status: numberIn(made["status"], "status"),
        fields: fieldsIn(made["fields"]),
        body: bytesIn(made["body"], bodies),
      };
    case "failed":
      return { kind, reason: textIn(made["reason"], "reason") as FilterFailureReason };
    default:
      throw new RecordRefused(`a decision is of the kind ${JSON.stringify(kind)}`);
  }
}

function headIn(value: unknown): RecordedHead {
  const head = objectIn(value, "a head");
  const fields = fieldsIn(head["fields"]);
  if ("status" in head) return { status: numberIn(head["status"], "status"), fields };
  return {
    method: textIn(head["method"], "method"),
    scheme: head["scheme"] === "https" ? "https" : "http",
    authority: textIn(head["authority"], "authority"),
    path: textIn(head["path"], "path"),
    fields,
  };
}

function metadataOf(value: unknown, bodies: boolean): MetadataValue {
  const { tag, val } = objectIn(value, "metadata");
  if (tag === "text") return { tag, val: textIn(val, "metadata") };
  if (tag === "integer") return { tag, val: integerIn(val) };
  if (tag === "boolean") return { tag, val: val === true };
  return { tag: "bytes", val: bytesIn(val, bodies) };
}

function requestOf(value: unknown, bodies: boolean): RecordedRequest {
  const { request, answer } = objectIn(value, "a request");
  const asked = objectIn(request, "a request");
  return {
    request: {
      upstream: textIn(asked["upstream"], "upstream"),
      method: textIn(asked["method"], "method"),
      path: textIn(asked["path"], "path"),
      fields: fieldsIn(asked["fields"]),
      body: bytesIn(asked["body"], bodies),
      timeoutMs: numberIn(asked["timeoutMs"], "timeoutMs"),
    },
    answer: answer === null ? null : answerOf(answer, bodies),
  };
}

function answerOf(value: unknown, bodies: boolean): HttpAnswer {
  const { tag, val } = objectIn(value, "an answer");
  const said = objectIn(val, "an answer");
  if (tag === "err") {
    const error = textIn(said["tag"], "an error");
    if (error === "other" || error === "invalid")
      return { tag, val: { tag: error, val: textIn(said["val"], "an error") } };
    return { tag, val: { tag: error } as HttpError };
  }
  return {
    tag: "ok",
    val: {
      status: numberIn(said["status"], "status"),
      fields: fieldsIn(said["fields"]),
      body: bytesIn(said["body"], bodies),
    },
  };
}

function inputsOf(value: unknown): RecordedInputs {
  const { wallMs, monotonicNs, bytes, numbers } = objectIn(value, "inputs");
  return {
    wallMs: listIn(wallMs, "inputs.wallMs").map((ms) => numberIn(ms, "inputs.wallMs")),
    monotonicNs: listIn(monotonicNs, "inputs.monotonicNs").map(integerIn),
    bytes: listIn(bytes, "inputs.bytes").map((one) => bytesIn(one, true)),
    numbers: listIn(numbers, "inputs.numbers").map(integerIn),
  };
}

function outcomeOf(value: unknown): Outcome {
  const { ending, status, durationUs, requestBytes, responseBytes } = objectIn(value, "outcome");
  const known = ENDINGS.find((one) => one === ending);
  if (known === undefined) throw new RecordRefused(`an exchange has ended ${JSON.stringify(ending)}`);
  return {
    ending: known,
    status: numberIn(status, "outcome.status"),
    durationUs: numberIn(durationUs, "outcome.durationUs"),
    requestBytes: numberIn(requestBytes, "outcome.requestBytes"),
    responseBytes: numberIn(responseBytes, "outcome.responseBytes"),
  };
}
