import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FILTERS_DIRECTORY } from "../../scripts/build-filters.ts";
import { Child, freePort } from "./child.ts";
import { CONNECTIONS } from "./load.ts";
import { ROOT } from "./report.ts";

/** A server of server.ts, by its kind there. Each server here keeps its files in `folder`, which is there. */
export async function startServer(folder: string, kind: string, upstreamPort?: number): Promise<Child> {
  const port = await freePort();
  const command = [process.execPath, join(ROOT, "bench", "server.ts"), kind, String(port)];
  if (upstreamPort !== undefined) command.push(String(upstreamPort));
  return Child.start(kind, port, join(folder, `${kind}.log`), command);
}

/** nginx with one worker, connections kept on both sides, and no access log. */
export async function startNginx(folder: string, upstreamPort: number): Promise<Child> {
  const port = await freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/temp;`,
  );
  const config = `
worker_processes 1;
daemon off;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx.log;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary.join("\n  ")}
  keepalive_requests 1000000000;
  upstream api {
    server 127.0.0.1:${upstreamPort};
    keepalive ${CONNECTIONS};
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://api;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
    }
  }
}
`;
  const path = join(folder, "nginx.conf");
  writeFileSync(path, config);
  const log = join(folder, "nginx.log");
  return Child.start("nginx", port, log, ["nginx", "-p", folder, "-e", log, "-c", path]);
}

export interface SluiceOptions {
  readonly folder: string;
  readonly upstreamPort: number;
  /** Whether each exchange is logged. */
  readonly exchangeLog: boolean;
  /** For Node itself. */
  readonly nodeOptions?: readonly string[];
}

/** Sluice with one worker and the routes `/0/`, `/1/` and `/3/`, named for the number of their filters. */
export async function startSluice(options: SluiceOptions): Promise<Child> {
  const { folder, upstreamPort, exchangeLog, nodeOptions = [] } = options;
  const port = await freePort();
  const names = ["first", "second", "third"];
  const config = {
    listen: [`127.0.0.1:${port}`],
    // Its default address can be taken once, and there are two of them.
    admin: false,
    workers: 1,
    artifacts: join(folder, "store"),
    log: { exchanges: exchangeLog },
    upstreams: { api: { servers: [`http://127.0.0.1:${upstreamPort}`] } },
    filters: Object.fromEntries(
      names.map((name) => [
        name,
        { component: join(FILTERS_DIRECTORY, "probe.wasm"), config: { work: "two-reads-one-write" } },
      ]),
    ),
    routes: [0, 1, 3].map((count) => ({
      match: { path: `/${count}/*` },
      filters: names.slice(0, count),
      upstream: "api",
    })),
  };
  const name = exchangeLog ? "sluice-logging" : "sluice";
  const path = join(folder, `${name}.yaml`);
  // JSON is YAML.
  writeFileSync(path, JSON.stringify(config, null, 2));
  const command = [process.execPath, ...nodeOptions, join(ROOT, "host", "cli", "main.ts"), "run", "-c", path];
  return Child.start(name, port, join(folder, `${name}.log`), command);
}
