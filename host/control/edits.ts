import { isDeepStrictEqual } from "node:util";
import type { Config, FilterConfig, ServerConfig } from "../config/config.ts";
import { Refusal } from "./control.ts";

/** Configurations that differ from others in one place. */

export function filterOf({ filters }: Config, name: string): FilterConfig {
  const found = filters.find((filter) => filter.name === name);
  if (found !== undefined) return found;
  const known = filters.map((filter) => filter.name).join(", ");
  throw new Refusal("FILTER_UNKNOWN", `there is no filter ${name}${known === "" ? "" : `: ${known}`}`);
}

export function withFilter(config: Config, filter: FilterConfig): Config {
  return {
    ...config,
    filters: config.filters.map((other) => (other.name === filter.name ? filter : other)),
  };
}

/** `server`: its URL as the configuration has it. */
export function withServer(
  config: Config,
  upstream: string,
  server: string,
  change: (server: ServerConfig) => ServerConfig,
): Config {
  const found = config.upstreams.find(({ name }) => name === upstream);
  if (found === undefined) {
    const known = config.upstreams.map(({ name }) => name).join(", ");
    throw new Refusal("SERVER_UNKNOWN", `there is no upstream ${upstream}: ${known}`);
  }
  if (!found.servers.some(({ origin }) => origin === server)) {
    const known = found.servers.map(({ origin }) => origin).join(", ");
    throw new Refusal("SERVER_UNKNOWN", `the upstream ${upstream} has no server ${server}: ${known}`);
  }
  const servers = found.servers.map((other) => (other.origin === server ? change(other) : other));
  if (servers.every(({ drained }) => drained))
    throw new Refusal("SERVER_NEEDED", `${server} is the last server of ${upstream} that takes exchanges`);
  return {
    ...config,
    upstreams: config.upstreams.map((other) => (other === found ? { ...found, servers } : other)),
  };
}

/** A configuration as its file has it, with what no file can say: trials of filters that it leaves as they are, and drained servers. */
export function carriedOver(config: Config, live: Config): Config {
  const filters = config.filters.map((filter) => {
    const before = live.filters.find(({ name }) => name === filter.name);
    if (before === undefined || before.candidate === null) return filter;
    return isDeepStrictEqual({ ...before, candidate: null }, filter)
      ? { ...filter, candidate: before.candidate }
      : filter;
  });
  const upstreams = config.upstreams.map((upstream) => {
    const before = live.upstreams.find(({ name }) => name === upstream.name);
    const isDrained = ({ origin }: ServerConfig): boolean =>
      before?.servers.some((server) => server.origin === origin && server.drained) === true;
    if (upstream.servers.every(isDrained)) return upstream;
    return {
      ...upstream,
      servers: upstream.servers.map((server) => ({ ...server, drained: isDrained(server) })),
    };
  });
  return { ...config, filters, upstreams };
}
