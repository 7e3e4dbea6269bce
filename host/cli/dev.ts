import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Json } from "../config/config.ts";
import { projectOf } from "../kit/build.ts";
import { DevSession } from "../kit/dev-session.ts";
import { Echo } from "../kit/echo.ts";
import { KitError } from "../kit/kit-error.ts";
import { LOOPBACK, whyTaken } from "../kit/loopback.ts";
import { complain, printable } from "./complaint.ts";
import { readConfig, shownPath } from "./component-view.ts";
import { DevLog } from "./dev-log.ts";
import { DONE } from "./exit-code.ts";
import { Keys } from "./keys.ts";
import { paint } from "./table.ts";

export interface DevOptions {
  readonly upstream?: string | undefined;
  readonly port: string;
  readonly config?: string | undefined;
  readonly c?: string | undefined;
}

/** A proxy with the filter of this folder in it, which is built and swapped whenever it is saved, until a key or a signal ends it. */
export async function dev(options: DevOptions): Promise<number> {
  const folder = process.cwd();
  const port = await freePort(options.port);
  const { upstream } = options;
  if (upstream !== undefined && !/^https?:\/\/[^/]+\/?$/.test(upstream))
    throw new KitError(
      `--upstream takes the URL of a server, like http://127.0.0.1:9000, and got ${upstream}.`,
    );
  const config = readConfig(options.config) as Json | undefined;
  const { crate, file: component } = projectOf({ folder });
  const usual = join(folder, "sluice.yaml");
  const file = options.c === undefined ? (existsSync(usual) ? usual : undefined) : resolve(options.c);

  const ending = Promise.withResolvers<void>();
  for (const signal of SIGNALS) process.on(signal, ending.resolve);
  const echo = upstream === undefined ? await Echo.start(0) : undefined;
  const log = new DevLog((lines) => show(...lines));
  const session = new DevSession(
    {
      folder,
      crate,
      component,
      config,
      port,
      file,
      upstream: upstream ?? `http://${LOOPBACK}:${echo?.port}`,
      artifacts: join(dirname(component), "store"),
    },
    {
      log,
      serves: (address, { filters }) => {
        const names = filters.map(({ name }) => name).join(", ");
        const by =
          file === undefined ? "a minimal configuration, as there is no sluice.yaml" : shownPath(file);
        show(
          paint(
            "bold",
            `sluice dev serves http://${address} with ${names} before ${upstream ?? "an echo upstream"}`,
          ),
          `by ${by}${keys.isOpen ? `; ${KEYS}` : ""}`,
        );
      },
      tells: (sentence) => show(paint("dim", printable(`· ${sentence}`))),
      complains: complain,
    },
  );
  const keys = new Keys((key) => {
    if (key === "q") ending.resolve();
    else if (key === "r") session.rebuild();
    else if (key === "p") session.profile();
    // The whole terminal, and what was scrolled out of it.
    else if (key === "c") process.stdout.write("\u001B[H\u001B[2J\u001B[3J");
  });
  try {
    await session.start();
    await ending.promise;
    return DONE;
  } finally {
    await session.close();
    keys.close();
    await log.flush();
    await echo?.close();
    for (const signal of SIGNALS) process.off(signal, ending.resolve);
  }
}

async function freePort(text: string): Promise<number> {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new KitError(`--port takes a port from 0 to 65535, and ${text} is none.`);
  const why = await whyTaken(port);
  if (why === undefined) return port;
  throw new KitError(
    `Port ${port} on ${LOOPBACK} cannot be used: ${why}. End it, or choose another one with --port.`,
  );
}

function show(...lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const KEYS = "c clears, r rebuilds, p profiles, q quits";
