// Asked every few seconds by a supervisor: it loads node:http alone, and no configuration when the address is given.
import { request } from "node:http";
import type { AdminAddress } from "../config/config.ts";
import { formatAdminAddress } from "../control/admin-address.ts";
import { type AdminTarget, findAdmin } from "./admin-target.ts";
import { printable } from "./complaint.ts";
import { DONE, FAILED } from "./exit-code.ts";

export interface HealthOptions extends AdminTarget {
  readonly live?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Asks a host how it is: 0 when it serves (or, with `live`, when it answers at all), otherwise 1. */
export async function healthcheck(options: HealthOptions): Promise<number> {
  const { live = false, json } = options;
  const at = await findAdmin(options);
  const { healthy, reason } = await ask(at, live ? "live" : "ready");
  if (json) process.stdout.write(`${JSON.stringify({ healthy, reason }, null, 2)}\n`);
  else
    (healthy ? process.stdout : process.stderr).write(printable(`${healthy ? "" : "sluice: "}${reason}\n`));
  return healthy ? DONE : FAILED;
}

interface Health {
  readonly healthy: boolean;
  readonly reason: string;
}

const ANSWER_MS_MAX = 3_000;
const ANSWER_BYTES_MAX = 4_096;

async function ask(at: AdminAddress, question: "live" | "ready"): Promise<Health> {
  const where = formatAdminAddress(at);
  const { promise, resolve } = Promise.withResolvers<Health>();
  const failed = (reason: string): void => resolve({ healthy: false, reason });
  const asked = request(
    {
      ...(at.kind === "unix" ? { socketPath: at.path } : { host: at.host, port: at.port }),
      path: `/${question}z`,
      agent: false,
      // Of the whole, not of each byte: who answers slowly for ever is not well.
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    },
    (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece: string) => {
        text = (text + piece).slice(0, ANSWER_BYTES_MAX);
      });
      answer.on("error", () => failed(`The host at ${where} broke off its answer.`));
      answer.on("end", () => {
        const said = text.trim();
        if (answer.statusCode === 200 && said === question) {
          resolve({ healthy: true, reason: `The host at ${where} is ${question}.` });
        } else if (answer.statusCode === 503) failed(`The host at ${where} is not ${question}: ${said}.`);
        else failed(`What answers at ${where} is not the admin API of Sluice.`);
      });
    },
  );
  asked.on("error", (error: NodeJS.ErrnoException) => {
    if (error.name === "AbortError" || error.name === "TimeoutError")
      failed(`The host at ${where} did not answer within ${ANSWER_MS_MAX / 1_000} s.`);
    else failed(`No host answers at ${where}: ${error.code ?? error.message}.`);
  });
  asked.end();
  return promise;
}
