import { type CloserError, Failure } from "../failure.ts";

/** How far a connection to a server had come. */
export interface Progress {
  /** TCP's connection stood; TLS was perhaps still to come. */
  readonly reached: boolean;
  /** Requests could be put on it. */
  readonly connected: boolean;
}

/** What the end of a connection means for the request that was on it; `error` is what the socket has said, if anything. */
export function lossOf(error: NodeJS.ErrnoException | undefined, { reached, connected }: Progress): Failure {
  const code = error?.code ?? "";
  const detail = error === undefined ? "the server closed the connection" : `${code} ${error.message}`.trim();
  // A server that refuses this host's certificate says so when the handshake is done already.
  if (code.startsWith("ERR_SSL_") || (reached && !connected))
    return new Failure("UPSTREAM_TLS_FAILED", detail, { closer: closerTls(code) });
  if (connected) return new Failure("UPSTREAM_BROKE_OFF", detail);
  if (code === "ETIMEDOUT") return new Failure("UPSTREAM_CONNECT_TIMED_OUT", detail);
  return new Failure("UPSTREAM_UNREACHABLE", detail, { closer: closerConnect(code) });
}

function closerTls(code: string): CloserError | undefined {
  if (code.includes("ALERT")) return "tls_alert_received";
  // OpenSSL's reasons why a chain is not trusted, and Node's why a name is not in it.
  return /CERT|CRL|CHAIN|VERIFY|ALTNAME/.test(code) ? "tls_certificate_error" : undefined;
}

function closerConnect(code: string): CloserError | undefined {
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAI_FAIL":
    case "EAI_NODATA":
    case "EAI_NONAME":
      return "dns_error";
    case "EHOSTUNREACH":
    case "EHOSTDOWN":
    case "ENETUNREACH":
    case "ENETDOWN":
    case "EADDRNOTAVAIL":
    case "EAFNOSUPPORT":
    case "EINVAL":
      return "destination_ip_unroutable";
    case "ECONNRESET":
    case "EPIPE":
      return "connection_terminated";
    case "EMFILE":
    case "ENFILE":
    case "ENOBUFS":
    case "ENOMEM":
      return "proxy_internal_error";
    default:
      return undefined;
  }
}
