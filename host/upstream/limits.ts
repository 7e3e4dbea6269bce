import type { HostTimeouts, UpstreamConfig } from "../config/config.ts";
import { EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX } from "../http1/body-bounds.ts";
import type { UpstreamLimits } from "../upstream.ts";

/** What one upstream's servers may do, and how long. */
export function limitsOf(entry: UpstreamConfig, timeouts: HostTimeouts): UpstreamLimits {
  return {
    connectionsMax: entry.connectionsMax,
    pendingMax: entry.pendingMax,
    connectMs: entry.connectMs,
    headMs: entry.headMs,
    pendingMs: entry.pendingMs,
    bodyMs: timeouts.upstreamBodyMs,
    keepAliveMs: timeouts.upstreamKeepAliveMs,
    headBytesMax: RESPONSE_HEAD_BYTES_MAX,
    extensionBytesMax: EXTENSION_BYTES_MAX,
    trailerBytesMax: TRAILER_BYTES_MAX,
    interimMax: INTERIM_MAX,
  };
}

/** Four times what clients may send: servers set long cookies, and they are trusted more than clients are. */
const RESPONSE_HEAD_BYTES_MAX = 65_536;

export const RESPONSE_FIELDS_MAX = 1_000;

/** Interim responses before the final one. */
const INTERIM_MAX = 16;
