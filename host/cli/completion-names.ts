import { AdminClient } from "../control/admin-client.ts";
import { findAdmin } from "./admin-target.ts";
import { printable } from "./complaint.ts";
import { readToken } from "./credential.ts";

/**
 * The names of a running host's filters, a line each, for a shell that completes these words. Nothing when no host
 * answers: somebody is typing, and wants no sentence in between.
 */
export async function completeFilters(words: readonly string[]): Promise<string> {
  const valueOf = (option: string): string | undefined => {
    const at = words.indexOf(option);
    return at === -1 ? undefined : words[at + 1];
  };
  try {
    const at = await findAdmin({ c: valueOf("-c"), admin: valueOf("--admin") });
    const client = new AdminClient(at, { token: readToken({ tokenFile: valueOf("--token-file") }) });
    try {
      const { filters } = await client.status();
      return filters.map(({ name }) => `${printable(name)}\n`).join("");
    } finally {
      await client.close();
    }
  } catch {
    return "";
  }
}
