/** The path of a request target, and nothing else of it: queries hold tokens, and the authority of an absolute target may hold a password. */
export function pathOf(target: string): string {
  const end = target.search(QUERY);
  const kept = end < 0 ? target : target.slice(0, end);
  if (kept.charCodeAt(0) === SLASH || kept === "*") return kept;
  const scheme = kept.indexOf("://");
  if (scheme < 0) return "";
  const start = kept.indexOf("/", scheme + 3);
  return start < 0 ? "/" : kept.slice(start);
}

/** The query with every value redacted, as `a=REDACTED&b=REDACTED`; what has no name is a value. Empty without one. */
export function queryNames(target: string): string {
  const at = target.indexOf("?");
  if (at < 0) return "";
  const end = target.indexOf("#", at);
  return target
    .slice(at + 1, end < 0 ? undefined : end)
    .split("&", PARTS_MAX)
    .filter((part) => part !== "")
    .map((part) => {
      const is = part.indexOf("=");
      return is < 0 ? REDACTED : `${part.slice(0, Math.min(is, NAME_LENGTH_MAX))}=${REDACTED}`;
    })
    .join("&");
}

/** A longer path, or a longer detail, is cut: one line must not fill a batch. */
export function bounded(text: string): string {
  return text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX)}…`;
}

const TEXT_LENGTH_MAX = 2_048;
const SLASH = 0x2f;
const QUERY = /[?#]/;
const REDACTED = "REDACTED";
const PARTS_MAX = 64;
const NAME_LENGTH_MAX = 64;
