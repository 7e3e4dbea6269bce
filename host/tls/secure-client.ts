import {
  connect,
  createSecureContext,
  getCACertificates,
  type ConnectionOptions,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import { isIP, type TcpNetConnectOpts } from "node:net";
import type { UpstreamMaterial } from "./material.ts";

/** Opens connections to one server over TLS, and resumes the session of the last one. */
export class SecureClient {
  /** The published types leave out what is handed on to TCP. */
  readonly #options: ConnectionOptions & TcpNetConnectOpts;
  #session: Buffer | undefined;

  constructor(tcp: TcpNetConnectOpts, material: UpstreamMaterial | null) {
    const name = material?.serverName ?? tcp.host ?? "";
    this.#options = {
      ...tcp,
      ALPNProtocols: ["http/1.1"],
      secureContext: contextOf(material),
      // No address is asked for by name (RFC 6066 §3); it has to be in the certificate all the same.
      ...(isIP(name) === 0 ? { servername: name } : {}),
      // Said here so that no variable of the environment says otherwise.
      rejectUnauthorized: true,
    };
  }

  connect(): TLSSocket {
    const socket = connect({ ...this.#options, session: this.#session });
    // TLS 1.3 gives a ticket for one use at a time, so that the last one is the one to show.
    socket.on("session", (session) => {
      this.#session = session;
    });
    // What made the server break off may be the session itself.
    socket.once("error", () => {
      this.#session = undefined;
    });
    return socket;
  }
}

function contextOf(material: UpstreamMaterial | null): SecureContext {
  if (material === null || (material.ca === null && material.pair === null)) {
    usual ??= createSecureContext({ ca: authorities() });
    return usual;
  }
  const { ca, pair } = material;
  // A name may stand for many addresses, each with a client of its own.
  const made = contexts.get(material) ?? createSecureContext({ ...pair, ca: ca ?? authorities() });
  contexts.set(material, made);
  return made;
}

/** Those that Node brings along and those of the system: an authority that a machine trusts is trusted here, too. */
function authorities(): string[] {
  return [...new Set([...getCACertificates("default"), ...getCACertificates("system")])];
}

const contexts = new WeakMap<UpstreamMaterial, SecureContext>();

/** Hundreds of certificates are read for it: once a worker, when the first generation needs it. */
let usual: SecureContext | undefined;
