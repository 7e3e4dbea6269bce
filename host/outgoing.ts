import { indexOf, isName } from "./fields.ts";
import { tellsOfClients } from "./forwarding.ts";
import type { Route } from "./generation.ts";
import type { HeldBody } from "./held-body.ts";
import type { Client } from "./http1/client.ts";
import type { Outgoing } from "./http1/server-connection.ts";
import { AS_IT_CAME, type FieldList, UNKNOWN } from "./message.ts";
import type { Timeline } from "./timeline.ts";

/** The request as the upstream gets it: Host first, then the message's own fields, then what this hop adds. */
export function outgoingOf(
  client: Client,
  route: Route,
  { viaName }: { readonly viaName: string },
  requestId: string,
  framing: number,
  body: HeldBody | undefined,
  timeline: Timeline | undefined,
): Outgoing {
  const { connection, head, facts, protocol } = client;
  const { fields } = head;
  let told = false;
  const trace = timeline?.trace;
  let traced = false;
  const kept = framing === AS_IT_CAME;
  const chunked = kept ? facts.hasBody && facts.contentLength < 0 : framing === UNKNOWN;
  const before = `${head.method} ${head.path} HTTP/1.1\r\n`;
  let text = "";
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    if (name.length === 4 && isName(name, "host")) continue;
    // The id is this host's own: what a client calls its request is no fact here.
    if (name.length === 12 && isName(name, "x-request-id")) continue;
    if (name.length === 12 && facts.maxForwards > 0 && isName(name, "max-forwards")) {
      text += `${name}: ${facts.maxForwards - 1}\r\n`;
      continue;
    }
    if (!kept && name.length === 14 && isName(name, "content-length")) continue;
    if (tellsOfClients(name)) {
      told = true;
      continue;
    }
    // Where filters have left it alone, each try names its own span there.
    if (trace !== undefined && name.length === 11 && fields[at + 1] === trace.traceparent) {
      traced = true;
      continue;
    }
    text += `${name}: ${fields[at + 1] as string}\r\n`;
  }
  const { peer } = connection;
  text += told ? peer.merged(fields, facts.authority) : peer.lines(facts.authority);
  text += `Via: ${protocol === "HTTP/1.1" ? "1.1" : "1.0"} ${viaName}\r\nX-Request-Id: ${requestId}\r\n`;
  if (!kept && framing >= 0) text += `Content-Length: ${framing}\r\n`;
  if (chunked) text += "Transfer-Encoding: chunked\r\n";
  if (facts.upgrade !== "") text += `Connection: upgrade\r\nUpgrade: ${facts.upgrade}\r\n`;
  else if (facts.acceptsTrailers) text += "Connection: te\r\nTE: trailers\r\n";
  text += "\r\n";
  const authority = route.preserveHost ? head.authority : undefined;
  const asIs = authority !== undefined && !traced;
  return {
    method: head.method,
    head: asIs ? `${before}Host: ${authority}\r\n${text}` : "",
    around: asIs
      ? undefined
      : { before, authority, after: text, line: traced ? () => trace?.next() ?? "" : undefined },
    hasBody: kept ? facts.hasBody : framing !== 0,
    replayable: body !== undefined,
    chunked,
    upgrade: facts.upgrade,
  };
}

/** A response whose body may be another than the upstream's is as long as it is, and not as long as the upstream has said. */
export function reframe(fields: FieldList, length: number): void {
  const at = indexOf(fields, "content-length");
  if (at >= 0) fields.splice(at, 2);
  if (length > 0) fields.push("Content-Length", String(length));
}
