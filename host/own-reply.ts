import { FAILURES, Failure, proxyStatus } from "./failure.ts";
import type { Client } from "./http1/client.ts";
import { Reply, ResponseHead } from "./message.ts";

/** What is answered here because it must not go on (RFC 9110 §7.6.2, §9.3.7); undefined when it may. */
export function lastHopReply({ head, facts }: Client): Reply | undefined {
  if (head.method !== "OPTIONS" && head.method !== "TRACE") return undefined;
  if (head.path !== "*" && facts.maxForwards !== 0) return undefined;
  if (head.method === "TRACE") return failureReply(new Failure("METHOD_REFUSED", "TRACE ends here"));
  return new Reply(new ResponseHead(204, ["Allow", ALLOWED, "Proxy-Status", "sluice"]), NOTHING);
}

/** The host's own answer: its code, and nothing that a filter or an upstream has said. */
export function failureReply(failure: Failure): Reply {
  const { code } = failure;
  const { status } = FAILURES[code];
  const fields = ["Content-Type", "text/plain; charset=utf-8", "Cache-Control", "no-store"];
  fields.push("Proxy-Status", proxyStatus(failure));
  if (status === 503) fields.push("Retry-After", "1");
  return new Reply(new ResponseHead(status, fields), Buffer.from(`${code}\n`));
}

const ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

const NOTHING = Buffer.alloc(0);
