import type { BalanceConfig } from "../config/config.ts";
import { isName } from "../fields.ts";
import type { FieldList } from "../message.ts";

/** What a request is told apart by: the value of a header or of a cookie; "" when it has none. */
export function requestKey(balance: BalanceConfig, fields: FieldList): string {
  if (balance.kind !== "header" && balance.kind !== "cookie") return "";
  const { name } = balance;
  const wanted = balance.kind === "header" ? name : "cookie";
  for (let at = 0; at < fields.length; at += 2) {
    if (!isName(fields[at] as string, wanted)) continue;
    const value = fields[at + 1] as string;
    const key = balance.kind === "header" ? value : cookie(value, name);
    if (key !== "") return key;
  }
  return "";
}

/** The value of the first cookie of this name (RFC 6265 §4.2.1). */
function cookie(text: string, name: string): string {
  let at = 0;
  while (at < text.length) {
    while (text.charCodeAt(at) === SPACE) at++;
    const found = text.indexOf(";", at);
    const end = found < 0 ? text.length : found;
    if (text.startsWith(name, at) && text.charCodeAt(at + name.length) === EQUALS)
      return text.slice(at + name.length + 1, end).trim();
    at = end + 1;
  }
  return "";
}

const SPACE = 0x20;
const EQUALS = 0x3d;
