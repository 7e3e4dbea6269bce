/** nginx and HAProxy, set up to do what Sluice does without filters, and nothing else. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child } from "./child.ts";
import { CONNECTIONS_MAX } from "./rows.ts";

export interface Ports {
  readonly plain: number;
  readonly tls: number;
  readonly upstream: number;
}

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** Room for as many connections on either side, and a few more. */
const ROOM = 4 * CONNECTIONS_MAX;

/** One worker, connections kept on both sides, bodies streamed both ways; with `log`, each request is logged in nginx's own format. */
export async function startNginx(folder: string, ports: Ports, pair: Pair, log: boolean): Promise<Child> {
  const name = log ? "nginx-logging" : "nginx";
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${folder}/temp;`,
  );
  const config = `
worker_processes 1;
worker_rlimit_nofile 16384;
daemon off;
pid ${folder}/${name}.pid;
error_log ${folder}/${name}.log;
events { worker_connections ${ROOM}; }
http {
  access_log ${log ? `${folder}/${name}-access.log combined buffer=16k flush=100ms` : "off"};
  ${temporary.join("\n  ")}
  keepalive_requests 1000000000;
  client_max_body_size 0;
  upstream api {
    server 127.0.0.1:${ports.upstream};
    keepalive ${CONNECTIONS_MAX};
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${ports.plain} backlog=4096;
    listen 127.0.0.1:${ports.tls} ssl backlog=4096;
    ssl_certificate ${pair.cert};
    ssl_certificate_key ${pair.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {
      proxy_pass http://api;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_buffers 16 16k;
      proxy_max_temp_file_size 0;
    }
  }
}
`;
  const path = join(folder, `${name}.conf`);
  writeFileSync(path, config);
  const output = join(folder, `${name}.log`);
  const command = ["nginx", "-p", folder, "-e", output, "-c", path];
  return Child.start(name, ports.plain, output, command);
}

/** One thread, connections to the server shared among clients and kept, nothing logged. */
export async function startHaproxy(folder: string, ports: Ports, { cert, key }: Pair): Promise<Child> {
  const pem = join(folder, "haproxy.pem");
  const config = `
global
  nbthread 1
  maxconn ${ROOM}
  tune.idle-pool.shared on
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend clients
  bind 127.0.0.1:${ports.plain} backlog 4096
  bind 127.0.0.1:${ports.tls} ssl crt ${pem} backlog 4096
  default_backend api
backend api
  server api 127.0.0.1:${ports.upstream} pool-max-conn ${CONNECTIONS_MAX} pool-low-conn ${CONNECTIONS_MAX}
`;
  const path = join(folder, "haproxy.cfg");
  writeFileSync(path, config);
  writeFileSync(pem, `${readFileSync(cert, "utf8")}\n${readFileSync(key, "utf8")}`, { mode: 0o600 });
  // In the foreground, and without the process that watches over it.
  return Child.start("haproxy", ports.plain, join(folder, "haproxy.log"), ["haproxy", "-db", "-f", path]);
}
