import * as z from "zod";
import { parseAdminAddress, parseHostName } from "./address.ts";
import { ADMIN_ROLES, type AdminAddress, type AdminConfig, type AdminToken } from "./config.ts";
import { EXPECTED, list, LONG_FORM, mapping, name, text, word } from "./shape.ts";

/** Loopback, as without tokens the admin API asks for no name. */
export const ADMIN_DEFAULT = "127.0.0.1:9901";

/** Where operators connect, and who of them may do what. */
export function admin(): z.ZodType<AdminConfig | null, false | string | Record<string, unknown>> {
  const expected = "host:port, unix:path or false";
  const whole = mapping("a mapping with address, hosts, tokens or audit", {
    address: address("host:port or unix:path").describe(
      "Where it listens. An address that other machines reach needs `tokens`, and something in front of it that speaks TLS.",
    ),
    hosts: list("a list of names", host(), 64)
      .optional()
      .describe(
        "Names by which requests may call the host, besides `localhost` and loopback addresses, or the address itself.",
      ),
    tokens: list("a list of tokens", token(), 256)
      .optional()
      .describe(
        "Who may ask for what; `sluice token` makes them. Without any, whoever reaches the address may do everything.",
      ),
    audit: text("the path of a file", /^[^\0]+$/, (input) => input)
      .optional()
      .describe(
        "The file that every attempt of a change is written to, as a line of JSON; the log when left out.",
      ),
  });
  return z
    .union(
      [
        z.literal(false, { error: expected }).transform(() => null),
        address(expected).transform(alone),
        whole.transform((input) => ({
          address: input.address,
          hosts: input.hosts ?? [],
          tokens: input.tokens ?? [],
          audit: input.audit ?? null,
        })),
      ],
      { error: expected },
    )
    .meta({ [EXPECTED]: `${expected}, or a mapping with \`address\``, [LONG_FORM]: true });
}

function alone(address: AdminAddress): AdminConfig {
  return { address, hosts: [], tokens: [], audit: null };
}

function address(expected: string): z.ZodType<AdminAddress, string> {
  return text(expected, /./, parseAdminAddress);
}

function host(): z.ZodType<string, string> {
  return text("a name without a port, like proxy.example.com", /^[^\s/]+$/, parseHostName);
}

function token(): z.ZodType<AdminToken, Record<string, unknown>> {
  return mapping("a mapping with name, role and sha256", {
    name: name().describe("What the audit log and the history call who has it."),
    role: word(ADMIN_ROLES).describe(
      "`read` sees everything but secrets, `swap` changes and tries filters and goes back, `admin` may do everything.",
    ),
    sha256: text(
      "the 64 hex digits of a token's SHA-256, as sluice token prints them",
      /^[0-9A-Fa-f]{64}$/,
      (input) => input.toLowerCase(),
    ).describe("The SHA-256 of the token, which itself is written nowhere."),
  });
}
