import { isName } from "./fields.ts";
import { tellsOfClients } from "./forwarding.ts";
import type { Route } from "./generation.ts";
import type { Client } from "./http1/client.ts";
import type { Outgoing } from "./http1/server-connection.ts";

/** The request as the upstream gets it: Host first, then the message's own fields, then what this hop adds. */
export function outgoingOf(client: Client, route: Route, viaName: string, requestId: string): Outgoing {
  const { connection, head, facts, protocol } = client;
  const { fields } = head;
  let told = false;
  const chunked = facts.hasBody && facts.contentLength < 0;
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
    if (tellsOfClients(name)) {
      told = true;
      continue;
    }
    text += `${name}: ${fields[at + 1] as string}\r\n`;
  }
  const { peer } = connection;
  text += told ? peer.merged(fields, facts.authority) : peer.lines(facts.authority);
  text += `Via: ${protocol === "HTTP/1.1" ? "1.1" : "1.0"} ${viaName}\r\nX-Request-Id: ${requestId}\r\n`;
  if (chunked) text += "Transfer-Encoding: chunked\r\n";
  if (facts.upgrade !== "") text += `Connection: upgrade\r\nUpgrade: ${facts.upgrade}\r\n`;
  else if (facts.acceptsTrailers) text += "Connection: te\r\nTE: trailers\r\n";
  text += "\r\n";
  const preserved = route.preserveHost;
  return {
    method: head.method,
    head: preserved ? `${before}Host: ${head.authority}\r\n${text}` : "",
    around: preserved ? undefined : { before, after: text },
    hasBody: facts.hasBody,
    chunked,
    upgrade: facts.upgrade,
  };
}
