/** Bodies that are longer than what is read at once. */
import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { useChains } from "./chains.ts";

const LENGTH = 900_000;
const chains = useChains(
  {
    whole: { response: { take: { whole: LENGTH }, act: "pass" } },
    stream: { response: { take: "stream", act: "pass" } },
    hold: { response: { take: "stream", act: "hold" } },
  },
  { whole: ["whole"], stream: ["stream"], hold: ["hold"], both: ["whole", "stream"] },
  { limits: { "body-held-bytes": LENGTH } },
);

test.each(["whole", "stream", "hold", "both"])(
  "a long response that a filter takes as in %s is the server's",
  async (path) => {
    const body = randomBytes(LENGTH);
    chains.answer = () =>
      Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${LENGTH}\r\n\r\n`), body]);
    const { status, body: got } = await chains.ask(request(`/${path}`));
    expect([status, digest(got)]).toEqual([200, digest(body)]);
  },
);

function digest(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
