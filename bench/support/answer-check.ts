import { Agent, type IncomingMessage, request } from "node:http";
import { Agent as SecureAgent, request as secureRequest } from "node:https";
import type { TLSSocket } from "node:tls";
import { BROWSER_FIELDS } from "./browser-request.ts";
import type { Contender } from "./contender.ts";
import { urlOf } from "./load.ts";
import { type Row, ROWS } from "./rows.ts";

/** Lengths of the upstream's answers. */
const LENGTHS: Readonly<Record<string, number>> = {
  0: 0,
  "1k": 1_024,
  "10k": 10_240,
  "100k": 102_400,
  "1m": 1_048_576,
  chunked: 102_400,
};

/**
 * Whether a contender does what it is measured for: the right status and body in every row, over connections that it keeps
 * on both sides. Throws a sentence when it does not.
 */
export async function checkAnswers(contender: Contender, rows: readonly Row[]): Promise<void> {
  const agents = { plain: new Agent({ keepAlive: true, maxSockets: 1 }), secure: secureAgent() };
  try {
    for (const row of rows) await checkRow(contender, row, agents);
    await checkTurns(contender, agents);
  } finally {
    agents.plain.destroy();
    agents.secure.destroy();
  }
}

interface Agents {
  readonly plain: Agent;
  readonly secure: SecureAgent;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** The client's connection carried a request before. */
  readonly reused: boolean;
  readonly cipher: string;
}

async function checkRow(contender: Contender, row: Row, agents: Agents): Promise<void> {
  const where = `${contender.name}, ${row.title}`;
  await ask(contender, row, agents);
  const { status, body, reused, cipher } = await ask(contender, row, agents);
  if (status !== 200) throw new Error(`${where}: status ${status}`);
  const length = LENGTHS[row.answer] ?? 0;
  if (body !== "x".repeat(length))
    throw new Error(`${where}: another body than the upstream's, ${body.length} bytes`);
  if (!reused) throw new Error(`${where}: the client's connection is not kept`);
  if (row.tls && cipher !== CIPHER) throw new Error(`${where}: ${cipher} is another cipher than ${CIPHER}`);
}

/** A proxy that opens a connection to the upstream for each request never gets to a second one on any. */
async function checkTurns(contender: Contender, agents: Agents): Promise<void> {
  const row = { ...(ROWS[0] as Row), answer: "turn" };
  let most = 0;
  for (let times = 0; times < 8; times++)
    most = Math.max(most, Number((await ask(contender, row, agents)).body));
  if (most < 2) throw new Error(`${contender.name}: connections to the upstream are not kept`);
}

function ask(contender: Contender, row: Row, { plain, secure }: Agents): Promise<Answer> {
  const headers: Record<string, string> = {};
  for (let at = 0; at < BROWSER_FIELDS.length; at += 2)
    headers[BROWSER_FIELDS[at] as string] = BROWSER_FIELDS[at + 1] as string;
  if (row.bodyBytes > 0) headers["Content-Length"] = String(row.bodyBytes);
  const method = row.bodyBytes > 0 ? "POST" : "GET";
  const url = urlOf(contender, row);
  return new Promise((resolve, reject) => {
    const take = (response: IncomingMessage): void => {
      let body = "";
      // A TLS session of 1.3 has its cipher, whatever was resumed.
      const cipher = row.tls ? (response.socket as TLSSocket).getCipher().name : "";
      response.setEncoding("latin1").on("data", (piece: string) => (body += piece));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body, reused: asked.reusedSocket, cipher }),
      );
      response.on("error", reject);
    };
    const asked = row.tls
      ? secureRequest(url, { method, headers, agent: secure }, take)
      : request(url, { method, headers, agent: plain }, take);
    asked.on("error", reject);
    asked.end("x".repeat(row.bodyBytes));
  });
}

function secureAgent(): SecureAgent {
  return new SecureAgent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
}

/** What OpenSSL's defaults agree on. */
const CIPHER = "TLS_AES_256_GCM_SHA384";
