import type { LookupAddress } from "node:dns";
import { connect, type LookupFunction, type Socket, type TcpNetConnectOpts } from "node:net";
import type { ServerConfig } from "../config/config.ts";
import type { SocketReader } from "../http1/socket-reader.ts";
import type { UpstreamMaterial } from "../tls/material.ts";
import { SecureClient } from "../tls/secure-client.ts";

/** Opens connections to one address of a server, for requests and for checks alike. */
export class Dialer {
  /** What a socket emits when requests can be put on it. */
  readonly stands: "connect" | "secureConnect";
  readonly #options: TcpNetConnectOpts;
  readonly #secure: SecureClient | undefined;

  /** `addresses`: the server's, then those to fall back on. When there are none, its name is looked up for each connection. */
  constructor(config: ServerConfig, addresses: readonly LookupAddress[], tls: UpstreamMaterial | null) {
    const { host, port, scheme } = config;
    this.#options = {
      host,
      port,
      autoSelectFamily: true,
      // A server that has sent its last byte through a tunnel may still read.
      allowHalfOpen: true,
      ...(addresses.length === 0 ? {} : { lookup: known(addresses) }),
    };
    this.stands = scheme === "https" ? "secureConnect" : "connect";
    this.#secure = scheme === "https" ? new SecureClient(this.#options, tls) : undefined;
  }

  /** `reader` reads what comes in the clear; without one the socket is a stream. */
  dial(reader?: SocketReader): Socket {
    if (this.#secure !== undefined) return this.#secure.connect();
    return connect(reader === undefined ? this.#options : { ...this.#options, onread: reader.onread });
  }
}

function known(addresses: readonly LookupAddress[]): LookupFunction {
  const [first] = addresses;
  return (_host, options, callback) => {
    if (options.all === true) callback(null, [...addresses]);
    else callback(null, first?.address ?? "", first?.family);
  };
}
