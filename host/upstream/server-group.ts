import { isIP } from "node:net";
import type { ServerConfig } from "../config/config.ts";
import type { WorkerMeter } from "../ops/meter.ts";
import type { ServerSource, ServerView } from "../ops/server-meter.ts";
import type { UpstreamLog } from "../ops/upstream-log.ts";
import { Server, type ServerJudge, type ServerMeans } from "../server.ts";
import type { Timed } from "../sweeper.ts";
import { type Balancer, balancerOf } from "./balancer.ts";
import { HealthCheck } from "./health-check.ts";
import { type Candidate, type Lookup, NameWatch } from "./name-watch.ts";
import type { ServerState } from "./standing.ts";

/** What a group tells of its servers, and with what it finds them. */
export interface GroupMeans extends ServerMeans {
  readonly meter: WorkerMeter;
  readonly log: UpstreamLog;
  readonly lookup: Lookup;
}

/** A server of the configuration, and what its name stands for now. */
interface Entry {
  config: ServerConfig;
  readonly watch: NameWatch | undefined;
  /** One for each address; one alone, without an address, until the name is found. */
  servers: readonly Server[];
  isFound: boolean;
  isMissed: boolean;
}

/**
 * The servers of one upstream: which of them there are, and which get requests. All of it happens beside the requests: what
 * they ask is the balancer, which is told when something has changed.
 */
export class ServerGroup implements Timed, ServerJudge, ServerSource {
  readonly #means: GroupMeans;
  #entries: readonly Entry[];
  readonly #checks = new Map<Server, HealthCheck>();
  readonly #balancer: Balancer<Server>;
  /** Chooses from all: for a try after the only server in use has failed. */
  readonly #anyone: Balancer<Server>;
  #all: readonly Server[] = [];
  #inUse: readonly Server[] = [];
  readonly #leaving = new Set<Server>();
  #isPanic = false;

  constructor(means: GroupMeans) {
    const { config } = means;
    this.#means = means;
    this.#balancer = balancerOf(config.balance);
    this.#anyone = balancerOf(config.balance);
    this.#entries = config.servers.map((server) => this.#enter(server));
    this.#gather();
    means.sweeper.add(this);
    means.meter.watch(this);
    for (const { watch } of this.#entries) watch?.sweep(Date.now());
  }

  /** Those that are there already keep their connections, and what is thought of them. */
  use(configs: readonly ServerConfig[]): void {
    const before = new Map(this.#entries.map((entry) => [entry.config.origin, entry]));
    if (JSON.stringify(configs) === JSON.stringify([...before.values()].map(({ config }) => config))) return;
    const kept = configs.map((config) => before.get(config.origin));
    this.#entries = configs.map((config, at) => {
      const known = kept[at];
      if (known === undefined) return this.#join(config);
      known.config = config;
      for (const server of known.servers) {
        server.standing.share(config.weight);
        server.isDrained = config.drained;
      }
      return known;
    });
    this.#gather();
    for (const entry of before.values()) if (!kept.includes(entry)) this.#part(entry);
  }

  /** How many servers there are, in use or not. */
  get size(): number {
    return this.#all.length;
  }

  /** `not`: one that has just failed. */
  choose(key: string, not: Server | undefined): Server {
    // A server that is out may be well again; the one that has just failed is not.
    if (not !== undefined && this.#inUse.length === 1 && this.#inUse[0] === not)
      return this.#anyone.choose(key, not);
    return this.#balancer.choose(key, not);
  }

  failedTooOften(server: Server): void {
    const { ejection } = this.#means.config;
    const out = this.#all.filter(({ standing }) => standing.isEjected).length;
    if (server.isClosed || (out + 1) * 100 > ejection.maxShare * this.#all.length) return;
    const ms = server.standing.eject(Date.now());
    server.meter.ejections += 1;
    this.#tell("warn", server, "server ejected", `for ${ms} ms`);
    this.#refresh();
  }

  sweep(nowMs: number): void {
    for (const { watch } of this.#entries) watch?.sweep(nowMs);
    let isBack = false;
    for (const server of this.#all) {
      if (server.standing.sweep(nowMs)) {
        this.#tell("info", server, "server back from its ejection");
        isBack = true;
      }
      this.#checks.get(server)?.sweep(nowMs);
    }
    if (isBack) this.#refresh();
    for (const server of this.#leaving) if (server.connections === 0) this.#leaving.delete(server);
  }

  views(): ServerView[] {
    const { name } = this.#means.config;
    return [...this.#all, ...this.#leaving].map((server) => ({
      upstream: name,
      server: server.origin,
      address: server.address,
      states: { [stateOf(server)]: 1 },
      inFlight: server.load - server.pending,
      pending: server.pending,
      connections: server.connections,
    }));
  }

  close(): void {
    this.#means.sweeper.remove(this);
    this.#means.meter.forget(this);
    for (const { watch } of this.#entries) watch?.close();
    for (const check of this.#checks.values()) check.close();
    for (const server of this.#all) server.close();
  }

  #enter(config: ServerConfig): Entry {
    const { lookup, meter, config: upstream } = this.#means;
    const counts = meter.server(upstream.name, config.origin);
    const watch =
      isIP(config.host) !== 0
        ? undefined
        : new NameWatch(config.host, upstream.dns, lookup, {
            found: (candidates) => {
              counts.lookupsFound += 1;
              this.#found(entry, candidates);
            },
            missed: (detail) => {
              counts.lookupsFailed += 1;
              this.#missed(entry, detail);
            },
          });
    const servers = [this.#make(config, undefined)];
    const entry: Entry = { config, watch, servers, isFound: false, isMissed: false };
    return entry;
  }

  #make(config: ServerConfig, candidate: Candidate | undefined): Server {
    const { health, name } = this.#means.config;
    const meter = this.#means.meter.server(name, config.origin);
    const server = new Server(config, candidate, this.#means, meter, this);
    if (health === null) return server;
    const check = new HealthCheck(health, server, this.#means, (passed, detail) => {
      if (passed) meter.checksPassed += 1;
      else meter.checksFailed += 1;
      if (!server.standing.checked(passed, Date.now())) return;
      this.#tell(passed ? "info" : "warn", server, passed ? "server healthy" : "server unhealthy", detail);
      this.#refresh();
    });
    this.#checks.set(server, check);
    return server;
  }

  #found(entry: Entry, candidates: readonly Candidate[]): void {
    if (entry.isMissed) this.#tellOfName(entry, "info", "name found again");
    entry.isMissed = false;
    const before = entry.servers;
    const kept = new Map(before.map((server) => [server.address, server]));
    let isNew = false;
    entry.servers = candidates.map((candidate) => {
      const known = kept.get(candidate[0].address);
      known?.reach(candidate);
      if (known !== undefined) return known;
      isNew = true;
      const server = this.#make(entry.config, candidate);
      // At the start all are new, and none has to be spared.
      if (entry.isFound) this.#welcome(server);
      return server;
    });
    const gone = before.filter((server) => !entry.servers.includes(server));
    entry.isFound = true;
    if (!isNew && gone.length === 0) return;
    this.#gather();
    for (const server of gone) this.#retire(server);
  }

  #welcome(server: Server): void {
    server.standing.comes(Date.now());
    this.#tell("info", server, "server added");
  }

  #join(config: ServerConfig): Entry {
    const entry = this.#enter(config);
    for (const server of entry.servers) this.#welcome(server);
    entry.watch?.sweep(Date.now());
    return entry;
  }

  #part({ watch, servers }: Entry): void {
    watch?.close();
    for (const server of servers) {
      this.#retire(server);
      if (server.address === "") this.#tell("info", server, "server removed");
    }
  }

  #retire(server: Server): void {
    this.#checks.get(server)?.close();
    this.#checks.delete(server);
    if (server.connections > 0) this.#leaving.add(server);
    server.close();
    if (server.address !== "") this.#tell("info", server, "server removed");
  }

  #missed(entry: Entry, detail: string): void {
    if (entry.isMissed) return;
    entry.isMissed = true;
    this.#tellOfName(entry, "warn", "name not found: its last addresses stay", detail);
  }

  #gather(): void {
    this.#all = this.#entries.flatMap(({ servers }) => servers);
    this.#anyone.use(this.#wanted());
    this.#inUse = [];
    this.#refresh();
  }

  /** All but those that an operator has taken out. Where that is every one, a request has to go somewhere. */
  #wanted(): readonly Server[] {
    const wanted = this.#all.filter(({ isDrained }) => !isDrained);
    return wanted.length === 0 ? this.#all : wanted;
  }

  /** Tells the balancer whom it may choose. */
  #refresh(): void {
    const wanted = this.#wanted();
    const usable = wanted.filter(({ standing }) => standing.usable);
    const { panicShare, name } = this.#means.config;
    const isPanic = usable.length === 0 || usable.length * 100 < panicShare * wanted.length;
    if (isPanic !== this.#isPanic) {
      this.#isPanic = isPanic;
      if (isPanic)
        this.#means.log.line(
          "error",
          name,
          "",
          "",
          "too few servers are well: all are used",
          `${usable.length} of ${wanted.length}`,
        );
      else this.#means.log.line("info", name, "", "", "enough servers are well again");
    }
    const next = isPanic ? wanted : usable;
    if (next.length === this.#inUse.length && next.every((server, at) => server === this.#inUse[at])) return;
    this.#inUse = next;
    this.#balancer.use(next);
  }

  #tell(level: "info" | "warn", server: Server, message: string, detail = ""): void {
    this.#means.log.line(level, this.#means.config.name, server.origin, server.address, message, detail);
  }

  #tellOfName({ config }: Entry, level: "info" | "warn", message: string, detail = ""): void {
    this.#means.log.line(level, this.#means.config.name, config.origin, "", message, detail);
  }
}

function stateOf({ isClosed, isDrained, standing }: Server): ServerState {
  if (isClosed) return "leaving";
  return isDrained ? "drained" : standing.state;
}
