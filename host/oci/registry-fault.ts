/**
 * A registry did not do what was asked of it. The message is a clause that names the registry, to stand behind a reference and
 * a colon; it has nothing of a credential, and nothing that the registry itself has written.
 */
export class RegistryFault extends Error {
  override readonly name = "RegistryFault";
  /** What the registry answered, where that was the fault. */
  readonly status: number | undefined;

  constructor(clause: string, options?: ErrorOptions & { readonly status?: number }) {
    super(clause, options);
    this.status = options?.status;
  }
}

/** What went wrong on the way to a host, as a clause that names it. */
export function networkFault(host: string, error: unknown, timeoutMs: number): RegistryFault {
  if (error instanceof RegistryFault) return error;
  return new RegistryFault(clauseFor(host, codeOf(error), timeoutMs), { cause: error });
}

function clauseFor(host: string, code: string, timeoutMs: number): string {
  switch (code) {
    case "ECONNREFUSED":
      return `nothing listens at ${host}`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the name of ${host} is unknown`;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `there is no way to ${host}`;
    case "TimeoutError":
    case "UND_ERR_CONNECT_TIMEOUT":
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
      return `${host} has not answered in full within ${timeoutMs} ms`;
    case "AbortError":
    case "UND_ERR_ABORTED":
    case "UND_ERR_DESTROYED":
    case "UND_ERR_CLOSED":
      return `the host stops, and has given up on ${host}`;
    case "ECONNRESET":
    case "EPIPE":
    case "UND_ERR_SOCKET":
      return `${host} has closed the connection before its answer was complete`;
    case "UND_ERR_RES_CONTENT_LENGTH_MISMATCH":
      return `${host} has sent more or less than it announced`;
    case "UND_ERR_HEADERS_OVERFLOW":
      return `${host} answers with a head that is too long`;
    default:
      return isTls(code)
        ? `the certificate or TLS of ${host} is refused (${code})`
        : `${host} does not speak HTTP as expected${code === "" ? "" : ` (${code})`}`;
  }
}

function isTls(code: string): boolean {
  return /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)|EPROTO$/.test(code);
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  // Several addresses were tried: the last one speaks for all.
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors.at(-1));
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === "string" ? code : error.name === "Error" ? "" : error.name;
}
