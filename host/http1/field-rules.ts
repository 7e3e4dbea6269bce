import { isName, isUntrailing } from "../fields.ts";
import { tellsOfClients } from "../forwarding.ts";
import type { FieldList } from "../message.ts";

/** Whether a comma-separated list has this lower-case token. */
export function listed(list: string, lower: string): boolean {
  if (list.length < lower.length) return false;
  if (isName(list, lower)) return true;
  return list.includes(",") && list.split(",").some((item) => isName(item.trim(), lower));
}

/** Fields that frame, route, authenticate or steer must not come after the body (RFC 9110 §6.5.1). */
export function mayTrail(name: string): boolean {
  return !isUntrailing(name.toLowerCase()) && !tellsOfClients(name);
}

/**
 * Takes out of a message what Connection names (RFC 9110 §7.6.1). A client cannot nominate away what frames, routes or
 * identifies the message: such fields are kept whatever Connection says.
 */
export function removeNominated(fields: FieldList, connection: string): void {
  if (connection === "keep-alive" || connection === "close" || connection === "Keep-Alive") return;
  const names = new Set(connection.split(",").map((name) => name.trim().toLowerCase()));
  let kept = 0;
  for (let at = 0; at < fields.length; at += 2) {
    const lower = (fields[at] as string).toLowerCase();
    if (names.has(lower) && !UNREMOVABLE.has(lower)) continue;
    fields[kept] = fields[at] as string;
    fields[kept + 1] = fields[at + 1] as string;
    kept += 2;
  }
  fields.length = kept;
}

/** What Connection cannot nominate away: it frames, routes or identifies the message. */
const UNREMOVABLE: ReadonlySet<string> = new Set([
  "authorization",
  "content-length",
  "cookie",
  "forwarded",
  "host",
  "set-cookie",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-request-id",
]);
