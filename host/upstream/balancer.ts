import type { BalanceConfig } from "../config/config.ts";
import { mixed, murmur3 } from "./hash.ts";

/** One that can be chosen. */
export interface Choice {
  /** Requests in flight and waiting. */
  readonly load: number;
  /** The share that it should get, compared with the others'; more than 0. */
  readonly weight: number;
  /** The most that its weight will be. */
  readonly fullWeight: number;
  /** A hash of its name: the same in all workers and processes. */
  readonly seed: number;
}

/** Which server gets a request. Nothing here allocates once the servers are known. */
export interface Balancer<Server extends Choice> {
  /** Whom it may choose, at least one. Called when that changes, never per request. */
  use(servers: readonly Server[]): void;
  /** `key` tells requests apart, "" when there is none; `not` has just failed, and is chosen only when it is alone. */
  choose(key: string, not: Server | undefined): Server;
}

export function balancerOf<Server extends Choice>(
  { kind }: BalanceConfig,
  random: () => number = Math.random,
): Balancer<Server> {
  switch (kind) {
    case "least-request":
      return new LeastRequest(random);
    case "round-robin":
      return new RoundRobin(random);
    case "header":
    case "cookie":
      return new Rendezvous(new LeastRequest(random));
  }
}

/** In turn, by weight and spread evenly: nginx's smooth weighted round-robin. */
class RoundRobin<Server extends Choice> implements Balancer<Server> {
  readonly #random: () => number;
  #servers: readonly Server[] = [];
  #credits: Float64Array = new Float64Array(0);

  constructor(random: () => number) {
    this.#random = random;
  }

  use(servers: readonly Server[]): void {
    this.#servers = servers;
    // Workers that began all alike would go round in step.
    this.#credits = Float64Array.from(servers, ({ weight }) => this.#random() * weight);
  }

  choose(_key: string, not: Server | undefined): Server {
    const credits = this.#credits;
    let best = -1;
    let total = 0;
    for (let at = 0; at < credits.length; at++) {
      const server = this.#servers[at] as Server;
      const { weight } = server;
      total += weight;
      credits[at]! += weight;
      if (server !== not && (best < 0 || credits[at]! > credits[best]!)) best = at;
    }
    const chosen = Math.max(best, 0);
    credits[chosen]! -= total;
    return this.#servers[chosen] as Server;
  }
}

/**
 * The less loaded of two that are drawn by weight: as good as the least of all, and without the herd that runs to it when
 * each worker knows its own requests only. Of two servers it is the least loaded, and their turn decides among equals.
 */
class LeastRequest<Server extends Choice> implements Balancer<Server> {
  readonly #random: () => number;
  readonly #turn: RoundRobin<Server>;
  #servers: readonly Server[] = [];
  #weightMax = 1;

  constructor(random: () => number) {
    this.#random = random;
    this.#turn = new RoundRobin(random);
  }

  use(servers: readonly Server[]): void {
    this.#servers = servers;
    this.#weightMax = Math.max(...servers.map(({ fullWeight }) => fullWeight));
    this.#turn.use(servers);
  }

  choose(key: string, not: Server | undefined): Server {
    const servers = this.#servers;
    if (servers.length <= 2) {
      const first = this.#turn.choose(key, not);
      const other = servers[0] === first ? servers[1] : servers[0];
      return other === undefined || other === not ? first : lighter(first, other);
    }
    const first = this.#draw(not, undefined);
    return lighter(first, this.#draw(not, first));
  }

  /** Any but these two, by weight. */
  #draw(not: Server | undefined, nor: Server | undefined): Server {
    const servers = this.#servers;
    const count = servers.length;
    for (let draw = 0; draw < DRAWS_MAX; draw++) {
      const server = servers[Math.floor(this.#random() * count)] as Server;
      if (server !== not && server !== nor && this.#random() * this.#weightMax <= server.weight)
        return server;
    }
    // Most weigh next to nothing beside the heaviest: whoever is next.
    const from = Math.floor(this.#random() * count);
    let at = from;
    while (servers[at] === not || servers[at] === nor) at = (at + 1) % count;
    return servers[at] as Server;
  }
}

/**
 * The server whose hash with the key is the highest, weighted (rendezvous hashing): when a server leaves, its keys alone
 * go elsewhere, and they come back with it. A request without a key goes where the fewest are.
 */
class Rendezvous<Server extends Choice> implements Balancer<Server> {
  readonly #keyless: Balancer<Server>;
  #servers: readonly Server[] = [];

  constructor(keyless: Balancer<Server>) {
    this.#keyless = keyless;
  }

  use(servers: readonly Server[]): void {
    this.#servers = servers;
    this.#keyless.use(servers);
  }

  choose(key: string, not: Server | undefined): Server {
    if (key === "") return this.#keyless.choose(key, not);
    const hash = murmur3(key, 0);
    const servers = this.#servers;
    let best = servers[0] as Server;
    let highest = -1;
    for (let at = 0; at < servers.length; at++) {
      const server = servers[at] as Server;
      // Uniform in (0, 1); its logarithm over the weight is what makes shares follow weights.
      const draw = (mixed(hash ^ server.seed) + 0.5) / 4_294_967_296;
      const score = -server.weight / Math.log(draw);
      if (server !== not && score > highest) {
        highest = score;
        best = server;
      }
    }
    return best;
  }
}

/** The one with less to do for its weight; `first` among equals. */
function lighter<Server extends Choice>(first: Server, second: Server): Server {
  return second.load * first.weight < first.load * second.weight ? second : first;
}

/** Of equal weights one draw nearly always does. */
const DRAWS_MAX = 16;
