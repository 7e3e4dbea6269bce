/**
 * The public API, for programs that run a proxy within themselves.
 *
 * Read a configuration (`loadConfig` from a file, `parseConfig` from text), make a log, start a `Host`, and when operators
 * are to reach it, `startAdmin`. `Host.drain` ends it. This is the only file that re-exports.
 */
export type { AdminAddress, AdminConfig, AdminRole, AdminToken, Config } from "./config/config.ts";
export { loadConfig } from "./config/load.ts";
export { parseConfig } from "./config/parse.ts";
export { ConfigError, type Problem } from "./config/problem.ts";
export type { Variables } from "./config/substitution.ts";
export { type Admin, startAdmin } from "./control/admin.ts";
export { AdminError } from "./control/admin-address.ts";
export {
  type Control,
  type FilterStatus,
  Refusal,
  type RefusalCode,
  type Status,
  type SwapRequest,
  type SwapResult,
} from "./control/control.ts";
export { FAILURES, type FailureCode } from "./failure.ts";
export { Host } from "./host.ts";
export { createLog, type Log, type LogOptions } from "./ops/log.ts";
