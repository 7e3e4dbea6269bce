/** Field names and values in turn: `[name, value, …]`, in the order of the wire, bytes as Latin-1 code units. */
export type FieldList = string[];

/** The head of a request between client and upstream, as the host and the filters see it. */
export class RequestHead {
  method: string;
  /** How the client reached the host. */
  readonly scheme: "http" | "https";
  /** Host and port that the client asked for; empty when it sent an empty Host. */
  authority: string;
  /** Path and query, byte for byte. */
  path: string;
  /** Without the fields of the client's connection; `host` is among them. */
  fields: FieldList;

  constructor(method: string, scheme: "http" | "https", authority: string, path: string, fields: FieldList) {
    this.method = method;
    this.scheme = scheme;
    this.authority = authority;
    this.path = path;
    this.fields = fields;
  }
}

/** The head of a final response between upstream and client. */
export class ResponseHead {
  /** 200–599. */
  status: number;
  /** Without the fields of the upstream's connection. */
  fields: FieldList;

  constructor(status: number, fields: FieldList) {
    this.status = status;
    this.fields = fields;
  }
}

/** The fields that come after a body. */
export class Trailers {
  fields: FieldList;

  constructor(fields: FieldList) {
    this.fields = fields;
  }
}

/** A whole response made by a filter or by the host; Content-Length and Date are not among its fields. */
export class Reply {
  readonly head: ResponseHead;
  readonly body: Uint8Array;

  constructor(head: ResponseHead, body: Uint8Array) {
    this.head = head;
    this.body = body;
  }
}

/** Nothing can have changed in the body: it goes on in the framing in which it came. */
export const AS_IT_CAME = -2;
/** How long the body will be is not known. */
export const UNKNOWN = -1;
