import * as z from "zod";
import { HOST_PATTERN, parseHostMatch } from "./address.ts";
import type { CertificateFiles, ListenTls, UpstreamTls } from "./config.ts";
import { list, mapping, text, word } from "./shape.ts";

/** The options of TLS. Whether the files are what they should be is found with the file's folder in view (`tls-files.ts`). */

export function listenTls(): z.ZodType<ListenTls> {
  return mapping("a mapping with certificates", {
    certificates: list("a list of certificates", certificate(), 1_024, 1).describe(
      "One for each name; the first is also for clients that ask for no name, or for another one.",
    ),
    "min-version": word(["TLSv1.2", "TLSv1.3"])
      .default("TLSv1.2")
      .describe("The oldest version that is spoken."),
    "client-ca": path("the path of a file with certificates in PEM")
      .optional()
      .describe("Who signs the certificates of clients."),
    "client-certificates": word(["none", "optional", "required"])
      .optional()
      .describe(
        "Whether clients are asked for a certificate, and whether they need one; `required` beside `client-ca`, otherwise `none`.",
      ),
  }).transform((input) => ({
    certificates: input.certificates,
    minVersion: input["min-version"],
    clientCa: input["client-ca"] ?? null,
    clientCertificates:
      input["client-certificates"] ?? (input["client-ca"] === undefined ? "none" : "required"),
  }));
}

export function upstreamTls(): z.ZodType<UpstreamTls> {
  return mapping("a mapping with ca, server-name, cert or key", {
    ca: path("the path of a file with certificates in PEM")
      .optional()
      .describe("Who signs the servers' certificates, instead of the authorities that Node knows."),
    "server-name": text("a host like example.com", HOST_PATTERN, (input) =>
      parseHostMatch(input)?.kind === "exact" ? input.toLowerCase() : undefined,
    )
      .optional()
      .describe("The name that servers have to prove, instead of the one in their URL."),
    cert: path(CERT).optional().describe("The certificate that servers are shown when they ask for one."),
    key: path(KEY).optional().describe("Its private key."),
  }).transform((input) => ({
    ca: input.ca ?? null,
    serverName: input["server-name"] ?? null,
    // One without the other is refused with both in view.
    certificate:
      input.cert === undefined || input.key === undefined ? null : { cert: input.cert, key: input.key },
  }));
}

function certificate(): z.ZodType<CertificateFiles> {
  return mapping("a mapping with cert and key", {
    cert: path(CERT).describe("The certificate in PEM, then those between it and its authority."),
    key: path(KEY).describe("Its private key in PEM, without a passphrase."),
  });
}

const CERT = "the path of a certificate's file";
const KEY = "the path of a key's file";

function path(expected: string): z.ZodType<string, string> {
  return text(expected, /^[^\0]+$/, (input) => input);
}
