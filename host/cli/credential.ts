import { readFileSync } from "node:fs";
import { AdminError } from "../control/admin-address.ts";

/** Where a token is. It is never on the command line, which everybody on the machine can read. */
export interface CredentialOptions {
  readonly tokenFile?: string | undefined;
}

/** The token of `--token-file` or the environment; undefined when there is none. */
export function readToken({ tokenFile }: CredentialOptions): string | undefined {
  const where = tokenFile === undefined ? "SLUICE_TOKEN" : `The token file ${tokenFile}`;
  const text = tokenFile === undefined ? process.env["SLUICE_TOKEN"] : readText(tokenFile);
  const token = text?.trim();
  if (token === undefined || (token === "" && tokenFile === undefined)) return undefined;
  // What it holds is in no sentence: it may be half a token.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new AdminError(`${where} does not hold a token, which is one word.`);
  return token;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new AdminError(`The token file ${file} cannot be read: ${code ?? String(error)}.`, undefined, {
      cause: error,
    });
  }
}
