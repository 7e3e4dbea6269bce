import { createHash } from "node:crypto";
import type { Dispatcher } from "undici";
import { RegistryFault } from "./registry-fault.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData["headers"];
  readonly body: Dispatcher.ResponseData["body"];
  /** Who has answered, at the end of all redirects. */
  readonly host: string;
  readonly origin: string;
}

/** The whole of a body, which ends with an error of the connection or a `RegistryFault` when it is longer than it may be. */
export async function collect(
  { headers, body, host }: Answer,
  bytesMax: number,
  read?: (bytes: number) => void,
): Promise<Buffer> {
  const tooLong = (): RegistryFault => {
    body.destroy();
    return new RegistryFault(`${host} sends more than the ${bytesMax} bytes that there may be of it`);
  };
  // What destroying it reports is no news.
  body.on("error", () => undefined);
  if (Number(headers["content-length"] ?? 0) > bytesMax) throw tooLong();
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bytesMax) throw tooLong();
    chunks.push(chunk);
    read?.(length);
  }
  return Buffer.concat(chunks, length);
}

/** What nobody wants to read. A short rest is read, so that the connection can be used again. */
export async function discard({ body }: Answer): Promise<void> {
  await body.dump({ limit: 65_536 }).catch(() => undefined);
}

/** `sha256:` and 64 hex digits. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
