import { name as nameShape } from "../config/shape.ts";
import type { AdminRole } from "../config/config.ts";
import { AdminError } from "../control/admin-address.ts";
import { makeToken } from "../control/tokens.ts";
import { DONE } from "./exit-code.ts";

export interface TokenOptions {
  readonly role: AdminRole;
  readonly json?: boolean | undefined;
}

/** Makes a token for the admin API and prints it, once, with the line by which a configuration knows it. */
export function token(name: string, { role, json }: TokenOptions): number {
  const verdict = nameShape().safeParse(name);
  if (!verdict.success) {
    throw new AdminError(`"${name}" is no name for a token: it is ${verdict.error.issues[0]?.message}.`);
  }
  const made = makeToken();
  process.stdout.write(json ? `${JSON.stringify({ name, role, ...made })}\n` : describe(name, role, made));
  return DONE;
}

function describe(name: string, role: AdminRole, { token, sha256 }: ReturnType<typeof makeToken>): string {
  return `\
The token, which is shown this once and kept nowhere:

  ${token}

Its line in the configuration, below admin.tokens:

  - { name: ${name}, role: ${role}, sha256: "${sha256}" }
`;
}
