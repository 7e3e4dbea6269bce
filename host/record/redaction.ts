import type { ClientAddress } from "../client-address.ts";
import type { MetadataValue } from "../filter/contract.ts";
import type { HttpAnswer, OwnRequest } from "../filter/http-client.ts";
import type { FieldList } from "../message.ts";
import type {
  ExchangeRecord,
  RecordedDecision,
  RecordedHead,
  RecordedRequest,
  RecordedStep,
} from "../trial/record.ts";

/** What is left of an exchange when it is written down. */
export interface RedactionRules {
  /** Names of header fields, in lower case, whose values are kept besides those that are always. */
  readonly headers: readonly string[];
  readonly bodies: boolean;
}

/**
 * Takes out of records what may be somebody's. What is left has the same names, in the same order, and values of about the same
 * lengths, so that a filter takes the same way through them as long as it does not look at what they say.
 *
 * What is redacted already stays as it is: what a filter makes of a redacted record can be compared after the same treatment.
 */
export class Redaction {
  readonly #rules: RedactionRules;
  readonly #kept: ReadonlySet<string>;
  readonly #clean: (text: string) => string;

  /** `clean`: a text without the filter's own secrets. */
  constructor(rules: RedactionRules, clean: (text: string) => string = (text) => text) {
    this.#rules = rules;
    this.#kept = new Set([...SAFE_FIELDS, ...rules.headers.filter((name) => !isNeverKept(name))]);
    this.#clean = clean;
  }

  /** `address`: the client's, which no text may have in it. */
  record(record: ExchangeRecord, address: ClientAddress): ExchangeRecord {
    const clean = this.#cleaner(address);
    return {
      ...record,
      facts: { ...record.facts, clientAddress: "" },
      steps: record.steps.map((step) => this.#step(step, clean)),
      requests: record.requests.map((one) => this.#request(one, clean)),
    };
  }

  head(head: RecordedHead, clean: (text: string) => string = this.#clean): RecordedHead {
    const fields = this.fields(head.fields, clean);
    if ("status" in head) return { status: head.status, fields };
    const { method, scheme, authority, path } = head;
    return { method, scheme, authority: clean(authority), path: pathOf(clean(path)), fields };
  }

  fields(fields: FieldList, clean: (text: string) => string = this.#clean): FieldList {
    return fields.map((text, at) => {
      if (at % 2 === 0) return clean(text);
      return this.#kept.has((fields[at - 1] as string).toLowerCase()) ? clean(text) : placeholder(text);
    });
  }

  bytes(bytes: Uint8Array): Uint8Array {
    return this.#rules.bodies ? bytes : new Uint8Array(bytes.length).fill(FILLER);
  }

  #cleaner(address: ClientAddress): (text: string) => string {
    return (text) => address.redactedIn(this.#clean(text));
  }

  #step(step: RecordedStep, clean: (text: string) => string): RecordedStep {
    const made = step.made === null ? null : this.#decision(step.made, clean);
    switch (step.kind) {
      case "head":
        return {
          ...step,
          made,
          head: this.head(step.head, clean),
          metadata: step.metadata.map(([key, value]) => [clean(key), metadataValue(value)] as const),
        };
      case "trailers":
        return { ...step, made, fields: this.fields(step.fields, clean) };
      default:
        return { ...step, made, bytes: this.bytes(step.bytes) };
    }
  }

  #decision(made: RecordedDecision, clean: (text: string) => string): RecordedDecision {
    switch (made.kind) {
      case "proceed": {
        const { edited } = made;
        if (edited === null) return made;
        return {
          ...made,
          edited: Array.isArray(edited) ? this.fields(edited, clean) : this.head(edited, clean),
        };
      }
      case "replace":
        return {
          ...made,
          bytes: this.bytes(made.bytes),
          edited: made.edited === null ? null : this.head(made.edited, clean),
        };
      case "reply":
        return { ...made, fields: this.fields(made.fields, clean), body: this.bytes(made.body) };
      default:
        return made;
    }
  }

  #request({ request, answer }: RecordedRequest, clean: (text: string) => string): RecordedRequest {
    return { request: this.ownRequest(request, clean), answer: answer && this.#answer(answer, clean) };
  }

  ownRequest(request: OwnRequest, clean: (text: string) => string = this.#clean): OwnRequest {
    const { path, fields, body } = request;
    return {
      ...request,
      path: pathOf(clean(path)),
      fields: this.fields(fields, clean),
      body: this.bytes(body),
    };
  }

  #answer(answer: HttpAnswer, clean: (text: string) => string): HttpAnswer {
    if (answer.tag === "err")
      return "val" in answer.val
        ? { tag: "err", val: { tag: answer.val.tag, val: placeholder(answer.val.val) } }
        : answer;
    const { status, fields, body } = answer.val;
    return { tag: "ok", val: { status, fields: this.fields(fields, clean), body: this.bytes(body) } };
  }
}

/** Whether no allow-list brings it into a record: what proves who somebody is, and where somebody is. */
export function isNeverKept(name: string): boolean {
  return NEVER_KEPT.test(name);
}

/** The same for the log, which is kept longer and read by more people: nothing that opens a door either. */
export function isNeverLogged(name: string): boolean {
  return isNeverKept(name) || OPENS_DOORS.test(name);
}

const OPENS_DOORS =
  /(?:^|[-_])(?:api[-_]?key|key|token|secret|password|credentials?|signature|session|assertion)$|authenticat/i;

const NEVER_KEPT =
  /^(?:cookie2?|set-cookie2?|(?:.*-)?authori[sz]ation|forwarded|via|x-forwarded(?:-.*)?|x-original-forwarded-for|(?:.*-)?(?:real|client|connecting|remote|cluster-client)-?(?:ip|addr|address))$/i;

/** What says how a message is to be read, and nothing of who sends it. */
export const SAFE_FIELDS: readonly string[] = [
  "accept",
  "accept-encoding",
  "allow",
  "cache-control",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "date",
  "expect",
  "host",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "vary",
];

/** In the place of a value: as long as the next power of two, or as it takes to say so. */
export function placeholder(text: string): string {
  if (text === "" || PLACEHOLDER.test(text)) return text;
  const length = lengthClass(text.length);
  return `[redacted ${length}]`.padEnd(length, ".");
}

const PLACEHOLDER = /^\[redacted \d+\]\.*$/;

/** The path stays, and so do the names in its query; what they are given does not. */
export function pathOf(target: string): string {
  const at = target.indexOf("?");
  if (at < 0) return target;
  const parts = target
    .slice(at + 1)
    .split("&")
    .map((part) => {
      const is = part.indexOf("=");
      // A word without a name is a value of some kind.
      return is < 0 ? queryValue(part) : `${part.slice(0, is + 1)}${queryValue(part.slice(is + 1))}`;
    });
  return `${target.slice(0, at + 1)}${parts.join("&")}`;
}

function queryValue(text: string): string {
  if (text === "" || QUERY_PLACEHOLDER.test(text)) return text;
  const length = lengthClass(text.length);
  return `redacted-${length}`.padEnd(length, ".");
}

const QUERY_PLACEHOLDER = /^redacted-\d+\.*$/;

function lengthClass(length: number): number {
  return 2 ** Math.ceil(Math.log2(length));
}

function metadataValue(value: MetadataValue): MetadataValue {
  if (value.tag === "text") return { tag: "text", val: placeholder(value.val) };
  if (value.tag === "bytes") return { tag: "bytes", val: new Uint8Array(value.val.length).fill(FILLER) };
  return value;
}

/** A full stop: it is text in every encoding, and no part of any format. */
const FILLER = 0x2e;
