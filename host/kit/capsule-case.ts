import { stringify } from "yaml";
import { formatSize } from "../config/units.ts";
import type { FieldList } from "../message.ts";
import type { RecordFile } from "../record/record-reader.ts";
import type { ExchangeRecord, RecordedHead, RecordedRequest, RecordedStep } from "../trial/record.ts";
import { KitError } from "./kit-error.ts";
import { grantOf } from "./replay-host.ts";

/** A capsule as a case: what the filter was given, with the failure that it came to as what is expected. */
export function capsuleCase(file: RecordFile): string {
  const { header, failure } = file;
  if (failure === undefined) throw new KitError("it is a recording: a case is made of a capsule");
  const exchange = file.record(0);
  const { filter, config, onFailure, limits } = header;
  const { requestId, route, protocol, tlsVersion } = exchange.facts;
  const request = messageOf(exchange, 0) ?? {};
  const response = messageOf(exchange, 1);
  const place = failure.stack.find((one) => /:\d+/.test(one) && !one.startsWith("wasm-function"));
  const document = {
    name: `${filter} does not fail (${failure.reason})`,
    config,
    grant: grantDraft(header),
    "on-failure": onFailure,
    limits: { fuel: limits.fuel, memory: formatSize(limits.memoryBytesMax) },
    clock: exchange.inputs?.wallMs[0] ?? exchange.at,
    facts: {
      "request-id": requestId,
      route,
      "filter-name": filter,
      protocol,
      ...(tlsVersion !== undefined && { "tls-version": tlsVersion }),
    },
    request,
    ...(response !== undefined && { response }),
    ...(exchange.requests.length > 0 && { http: exchange.requests.map(serviceOf) }),
    expect: {
      failure: {
        reason: failure.reason,
        ...(place !== undefined && { stack: { contains: place } }),
      },
    },
    invariance: "none",
  };
  return `${NOTE}${stringify(document, { lineWidth: 0, aliasDuplicateObjects: false })}`;
}

const NOTE = `\
# From a capsule. It passes as long as the filter fails as it did: when that is put right, \`expect\` has to say what is right instead,
# and \`invariance: none\` can go. What was redacted is not what it was, and randomness is that of \`random: 1\`.
`;

function grantDraft(header: RecordFile["header"]): object {
  const { exchangeFacts, clientAddress, rateLimit, ...rest } = grantOf(header);
  return {
    ...rest,
    "exchange-facts": exchangeFacts,
    "client-address": clientAddress,
    "rate-limit": rateLimit,
  };
}

function messageOf({ steps }: ExchangeRecord, message: number): object | undefined {
  const own = steps.filter((step) => step.message === message);
  const step = own.find(({ kind }) => kind === "head");
  if (step?.kind !== "head") return undefined;
  const trailers = own.find(({ kind }) => kind === "trailers");
  return {
    ...startOf(step.head),
    headers: pairs(step.head.fields),
    ...bodyOf(own, step.length),
    ...(trailers?.kind === "trailers" && { trailers: pairs(trailers.fields) }),
  };
}

function startOf(head: RecordedHead): object {
  if ("status" in head) return { status: head.status };
  const { method, path } = head;
  return { method, path };
}

/** What the filter did not take was not recorded, but for its length. */
function bodyOf(steps: readonly RecordedStep[], length: number): object {
  const chunks = steps.flatMap((step) => ("bytes" in step ? [step.bytes] : []));
  const [first] = chunks;
  if (first === undefined)
    return length > 0 ? { body: textOf(new Uint8Array(Math.min(length, LEFT_OUT_MAX)).fill(FILLER)) } : {};
  const written = chunks.filter(({ length: bytes }) => bytes > 0).map(textOf);
  if (written.length === 0) return {};
  return written.length === 1 ? { body: written[0] } : { chunks: written };
}

function textOf(bytes: Uint8Array): unknown {
  if (bytes.length > 1 && bytes.every((byte) => byte === FILLER)) return { text: ".", times: bytes.length };
  const text = Buffer.from(bytes).toString("utf8");
  return Buffer.from(text).equals(bytes) ? text : { base64: Buffer.from(bytes).toString("base64") };
}

/** Lengths are counted anew. */
function pairs(fields: FieldList): [string, string][] {
  const found: [string, string][] = [];
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    if (name.toLowerCase() !== "content-length") found.push([name, fields[at + 1] as string]);
  }
  return found;
}

function serviceOf({ request, answer }: RecordedRequest): object {
  const { upstream, method, path } = request;
  const asked = { upstream, request: { method, path } };
  if (answer?.tag !== "ok") {
    const error = answer?.val.tag ?? "unreachable";
    return { ...asked, error: ANSWERED.has(error) ? error : "unreachable" };
  }
  const { status, fields, body } = answer.val;
  return {
    ...asked,
    response: {
      status,
      headers: pairs(fields),
      ...(body.length > 0 && { body: textOf(body) }),
    },
  };
}

/** What a mock service can say. */
const ANSWERED: ReadonlySet<string> = new Set(["unreachable", "timed-out", "too-large", "busy"]);

const FILLER = 0x2e;
const LEFT_OUT_MAX = 1_048_576;
