import { isIPv4, isIPv6 } from "node:net";

/** What an artifact in a registry is called: `oci://host[:port]/name:tag`, `oci://host[:port]/name[:tag]@sha256:…`. */
export interface OciReference {
  /** Host and port as they are written, in lower case: `registry.example.com:5000`, `[::1]:5000`. */
  readonly registry: string;
  /** `team/filter`. */
  readonly name: string;
  readonly tag: string | undefined;
  /** `sha256:` and 64 hex digits: of the manifest, and what counts when a tag stands beside it. */
  readonly digest: string | undefined;
}

export const OCI_SCHEME = "oci://";

/** For editors. `readOciReference` is stricter, and has the last word. */
export const OCI_PATTERN: RegExp =
  /^oci:\/\/[^\s/@]+\/[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::\w[\w.-]{0,127}|(?::\w[\w.-]{0,127})?@sha256:[0-9a-f]{64})$/;

export const REGISTRY_PATTERN: RegExp = /^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/;

/** Reads a reference by the grammar of the distribution specification; a string says what was expected instead. */
export function readOciReference(input: string): OciReference | string {
  if (!input.startsWith(OCI_SCHEME)) return expected("a reference that begins with oci://");
  const rest = input.slice(OCI_SCHEME.length);
  const slash = rest.indexOf("/");
  if (slash < 0) return expected("a host, a slash and a name after oci://");
  const registry = rest.slice(0, slash).toLowerCase();
  if (!isRegistry(registry)) return expected("a host, or host:port, after oci://");
  const [path = "", digest, ...more] = rest.slice(slash + 1).split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest)))
    return expected("sha256: and 64 hex digits in lower case after the @");
  const [name = "", tag, ...others] = path.split(":");
  if (others.length > 0 || (tag !== undefined && !TAG.test(tag)))
    return expected("a tag of at most 128 letters, digits, `_`, `.` and `-` after the name");
  // Together with the host, as the specification advises: clients and registries commonly cut them there.
  if (!NAME.test(name) || registry.length + 1 + name.length > NAME_LENGTH_MAX)
    return expected("a name of a-z and 0-9, with single separators `/`, `.`, `_` and `-`, after the host");
  // No tag is understood: what a file means must not change by what somebody else calls the latest.
  if (tag === undefined && digest === undefined) return expected("a tag or a digest after the name");
  return { registry, name, tag, digest };
}

/** As it is written. */
export function formatOciReference({ registry, name, tag, digest }: OciReference): string {
  const tagged = tag === undefined ? "" : `:${tag}`;
  const pinned = digest === undefined ? "" : `@${digest}`;
  return `${OCI_SCHEME}${registry}/${name}${tagged}${pinned}`;
}

/** `host` or `host:port`, in lower case. */
export function isRegistry(input: string): boolean {
  const match = /^(?:\[([^[\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(input);
  if (match === null) return false;
  const [, bracketed, host = "", port] = match;
  if (port !== undefined && (Number(port) === 0 || Number(port) > 65_535)) return false;
  if (bracketed !== undefined) return isIPv6(bracketed) && !bracketed.includes("%");
  const labels = host.split(".");
  // A name whose last label is a number would be taken for an address by others.
  return isIPv4(host) || (labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? ""));
}

/** Whether what is sent to a registry stays on this machine. */
export function isLoopback(registry: string): boolean {
  const host = registry.replace(/:\d+$/, "");
  return host === "localhost" || host === "[::1]" || (isIPv4(host) && host.startsWith("127."));
}

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const NAME_LENGTH_MAX = 255;

function expected(what: string): string {
  return `${what}, like oci://registry.example.com/team/filter:1.0`;
}
