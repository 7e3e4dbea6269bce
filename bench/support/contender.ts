import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FILTERS_DIRECTORY } from "../../scripts/build-filters.ts";
import { Authority, writePair } from "../../test/support/certificate.ts";
import { Child, freePort } from "./child.ts";
import { type Pair, type Ports, startHaproxy, startNginx } from "./native-proxy.ts";
import { ROOT } from "./report.ts";
import { CONNECTIONS_MAX } from "./rows.ts";
import { hasTool } from "./tool.ts";

/** A proxy in the benchmark, or one of the ways in which Sluice can be asked. */
export interface Contender {
  readonly name: string;
  readonly kind: "native" | "peer" | "sluice";
  /** It takes part in the main row alone. */
  readonly variant: boolean;
  readonly child: Child;
  readonly ports: Ports;
  /** What its paths begin with. */
  readonly prefix: string;
}

/** The other proxies on Node, by their names in peer.ts. */
const PEERS: Readonly<Record<string, string>> = {
  "http-proxy-3": "http-proxy-3",
  httpxy: "httpxy",
  fastify: "@fastify/http-proxy",
  "fast-proxy": "fast-proxy",
};

export const NGINX = "nginx";
export const SLUICE = "sluice";

/** All processes of one run of the benchmark, with their files. */
export class Field {
  readonly upstreamPort: number;
  readonly contenders: Contender[] = [];
  /** Sentences about those that cannot take part. */
  readonly leftOut: string[] = [];
  readonly #folder: string;
  readonly #pair: Pair;
  readonly #children: Child[];

  private constructor(folder: string, pair: Pair, upstream: Child) {
    this.#folder = folder;
    this.#pair = pair;
    this.upstreamPort = upstream.port;
    this.#children = [upstream];
  }

  /** The upstream alone. `folder` is there, and its owner removes it. */
  static async open(folder: string): Promise<Field> {
    const authority = await Authority.create("bench");
    const pair = writePair(folder, "bench", await authority.issue(["127.0.0.1"]));
    const port = await freePort();
    const command = [process.execPath, join(ROOT, "bench", "upstream.ts"), String(port)];
    return new Field(
      folder,
      pair,
      await Child.start("upstream", port, join(folder, "upstream.log"), command),
    );
  }

  /** Everybody who is `wanted`, by name. */
  async enter(wanted: (name: string) => boolean): Promise<void> {
    for (const [name, log] of [
      [NGINX, false],
      ["nginx, access log", true],
    ] as const) {
      if (wanted(name))
        await this.#native(name, "nginx", log, (ports) => startNginx(this.#folder, ports, this.#pair, log));
    }
    if (wanted("HAProxy"))
      await this.#native("HAProxy", "haproxy", false, (ports) =>
        startHaproxy(this.#folder, ports, this.#pair),
      );
    for (const [kind, name] of Object.entries(PEERS)) if (wanted(name)) await this.#peer(kind, name);
    await this.#sluices(wanted);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
  }

  async #native(
    name: string,
    tool: string,
    variant: boolean,
    start: (ports: Ports) => Promise<Child>,
  ): Promise<void> {
    if (!(await hasTool(tool))) {
      this.leftOut.push(`${name} is not in the table: it is not installed.`);
      return;
    }
    const ports = await this.#ports();
    this.#add({ name, kind: "native", variant, child: await start(ports), ports, prefix: "/0" });
  }

  async #peer(kind: string, name: string): Promise<void> {
    const ports = await this.#ports();
    const numbers = [ports.plain, ports.tls, ports.upstream].map(String);
    const command = [process.execPath, join(ROOT, "bench", "peer.ts"), kind, ...numbers];
    const { cert, key } = this.#pair;
    const child = await Child.start(name, ports.plain, join(this.#folder, `${kind}.log`), [
      ...command,
      cert,
      key,
    ]);
    this.#add({ name, kind: "peer", variant: false, child, ports, prefix: "/0" });
  }

  /** Filters are a matter of the route, and a log is one of the process. */
  async #sluices(wanted: (name: string) => boolean): Promise<void> {
    const ways = [
      { name: SLUICE, prefix: "/0", log: false },
      { name: "sluice, 1 filter", prefix: "/1", log: false },
      { name: "sluice, 3 filters", prefix: "/3", log: false },
      { name: "sluice, log", prefix: "/0", log: true },
      { name: "sluice, 1 filter, log", prefix: "/1", log: true },
    ].filter(({ name }) => wanted(name));
    for (const log of [false, true]) {
      if (ways.every((way) => way.log !== log)) continue;
      const ports = await this.#ports();
      const name = log ? "sluice-logging" : SLUICE;
      const child = await startSluice(this.#folder, ports, this.#pair, name, { log: { exchanges: log } });
      for (const { name, prefix } of ways.filter((way) => way.log === log))
        this.#add({ name, kind: "sluice", variant: name !== SLUICE, child, ports, prefix });
    }
  }

  /** Sluice alone, for a profile. */
  sluice(nodeOptions: readonly string[]): Promise<Contender> {
    return this.sluiceWith(SLUICE, "/0", { log: { exchanges: false } }, nodeOptions);
  }

  /** Sluice with these parts of a configuration, asked for what begins with `prefix`. */
  async sluiceWith(
    name: string,
    prefix: string,
    parts: object,
    nodeOptions: readonly string[] = [],
  ): Promise<Contender> {
    const ports = await this.#ports();
    const file = name.replaceAll(/[^a-z0-9]+/g, "-");
    const child = await startSluice(this.#folder, ports, this.#pair, file, parts, nodeOptions);
    const contender: Contender = { name, kind: "sluice", variant: name !== SLUICE, child, ports, prefix };
    this.#add(contender);
    return contender;
  }

  async #ports(): Promise<Ports> {
    return { plain: await freePort(), tls: await freePort(), upstream: this.upstreamPort };
  }

  #add(contender: Contender): void {
    this.contenders.push(contender);
    if (!this.#children.includes(contender.child)) this.#children.push(contender.child);
  }
}

/** Sluice with one worker and the routes `/0/`, `/1/` and `/3/`, named for the number of their filters. */
async function startSluice(
  folder: string,
  ports: Ports,
  pair: Pair,
  name: string,
  parts: object,
  nodeOptions: readonly string[] = [],
): Promise<Child> {
  const names = ["first", "second", "third"];
  const component = join(FILTERS_DIRECTORY, "probe.wasm");
  const config = {
    listen: [
      { address: `127.0.0.1:${ports.plain}` },
      { address: `127.0.0.1:${ports.tls}`, tls: { certificates: [pair] } },
    ],
    // Its default address can be taken once, and there are two of them.
    admin: false,
    workers: 1,
    artifacts: join(folder, "store"),
    limits: { "upstream-connections": CONNECTIONS_MAX },
    upstreams: { api: { servers: [`http://127.0.0.1:${ports.upstream}`] } },
    filters: Object.fromEntries(
      names.map((name) => [name, { component, config: { work: "two-reads-one-write" } }]),
    ),
    routes: [0, 1, 3].map((count) => ({
      match: { path: `/${count}/*` },
      filters: names.slice(0, count),
      upstream: "api",
    })),
    ...parts,
  };
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.yaml`);
  // JSON is YAML.
  writeFileSync(path, JSON.stringify(config, null, 2));
  const command = [process.execPath, ...nodeOptions, join(ROOT, "host", "cli", "main.ts"), "run", "-c", path];
  // Not beside the configuration, whose folder is watched.
  const logs = join(folder, "logs");
  mkdirSync(logs, { recursive: true });
  return Child.start(name, ports.plain, join(logs, `${name}.log`), command);
}
