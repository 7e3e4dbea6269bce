import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket, type TlsOptions } from "node:tls";
import type { HandshakeFailure } from "../ops/meter.ts";
import { contextOptions, Identities } from "./identities.ts";
import type { ListenerMaterial } from "./material.ts";

export interface SecureServerOwner {
  /** A connection whose handshake is done. */
  secured(socket: TLSSocket): void;
  handshakeFailed(reason: HandshakeFailure): void;
  /** The number of connections changed by so many, those in their handshakes among them. */
  sockets(change: number): void;
}

/** Secures connections, and gives them away then. It listens nowhere. */
export class SecureServer {
  readonly server: Server;
  readonly #owner: SecureServerOwner;
  #material: ListenerMaterial;
  #identities: Identities;
  /** TCP's sockets below; those of handshakes under way are nowhere else. */
  readonly #sockets = new Set<Socket>();

  constructor(material: ListenerMaterial, handshakeMs: number, owner: SecureServerOwner) {
    this.#owner = owner;
    this.#material = material;
    this.#identities = new Identities(material);
    this.server = createServer(this.#options(handshakeMs));
    this.server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      this.#owner.sockets(1);
      socket.once("close", () => {
        this.#sockets.delete(socket);
        this.#owner.sockets(-1);
      });
    });
    this.server.on("secureConnection", (socket) => this.#secured(socket));
    this.server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
      socket.destroy();
      this.#owner.handshakeFailed(reasonOf(error, socket));
    });
  }

  /** Connections, those in their handshakes among them. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Begins the handshake of a connection that has been accepted elsewhere. */
  take(socket: Socket): void {
    this.server.emit("connection", socket);
  }

  /** From the next handshake on. Connections that stand go on as they are. Throws when the material is of no use. */
  renew(material: ListenerMaterial): void {
    const identities = new Identities(material);
    this.server.setSecureContext(contextOptions(material, 0));
    this.#identities = identities;
    this.#material = material;
  }

  /** Breaks every connection, also those in their handshakes. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #options(handshakeMs: number): TlsOptions {
    const { clientCertificates } = this.#material;
    return {
      ...contextOptions(this.#material, 0),
      // A client that has sent its last byte may still read.
      allowHalfOpen: true,
      noDelay: true,
      ALPNProtocols: ["http/1.1"],
      handshakeTimeout: handshakeMs,
      requestCert: clientCertificates !== "none",
      rejectUnauthorized: clientCertificates === "required",
      SNICallback: (name, found) => found(null, this.#identities.find(name)),
    };
  }

  #secured(socket: TLSSocket): void {
    if (this.#isTrusted(socket)) return this.#owner.secured(socket);
    socket.on("error", () => {});
    socket.destroy();
    this.#owner.handshakeFailed("certificate");
  }

  /** Looks at the certificate itself: Node also calls a resumed session without one authorized. */
  #isTrusted(socket: TLSSocket): boolean {
    const { clientCertificates } = this.#material;
    if (clientCertificates === "none") return true;
    if (socket.getPeerX509Certificate() === undefined) return clientCertificates === "optional";
    return socket.authorized;
  }
}

function reasonOf({ code }: NodeJS.ErrnoException, socket: TLSSocket): HandshakeFailure {
  // Node refuses after the handshake, and calls that a reset.
  if (socket.authorizationError !== null && socket.authorizationError !== undefined) return "certificate";
  if (code === "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE") return "certificate";
  if (code === "ERR_TLS_HANDSHAKE_TIMEOUT") return "timeout";
  return code === "ECONNRESET" || code === "EPIPE" ? "gone" : "protocol";
}
