/**
 * What was read from the files of certificates and keys. The main thread reads them and posts them to the workers; it goes
 * into no log, no status and no error.
 */

export interface Pair {
  /** In PEM: the certificate, then those between it and its authority. */
  readonly cert: string;
  /** In PEM. */
  readonly key: string;
}

/** What a listener answers with. */
export interface ListenerMaterial {
  /** At least one; the first is for who asks for no name, or for another one. */
  readonly pairs: readonly Pair[];
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** In PEM. */
  readonly clientCa: string | null;
  readonly clientCertificates: "none" | "optional" | "required";
  /**
   * Seals session tickets: the same in every worker, so that a client may resume with any of them, and another one for each
   * listener and after each change, so that no ticket outlives what it was given for.
   */
  readonly ticketKey: Uint8Array;
}

/** What servers of an upstream are spoken with. */
export interface UpstreamMaterial {
  /** In PEM; null for the authorities that Node knows. */
  readonly ca: string | null;
  readonly serverName: string | null;
  readonly pair: Pair | null;
}

export const TICKET_KEY_BYTES = 48;
