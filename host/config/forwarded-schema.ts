import { isIP, isIPv4 } from "node:net";
import type * as z from "zod";
import type { ForwardedConfig } from "./config.ts";
import { list, mapping, text, word } from "./shape.ts";

/** What upstreams are told of clients. */
export function forwarded(): z.ZodType<ForwardedConfig> {
  const range = text(
    "an address or a range, like 10.0.0.0/8 or 2001:db8::1",
    /^[0-9A-Fa-f:.]+(\/\d{1,3})?$/,
    parseRange,
  );
  return mapping("a mapping with mode or trusted", {
    mode: word(["x-forwarded", "forwarded", "both", "off"])
      .default("x-forwarded")
      .describe(
        "How upstreams are told who sent a request: `X-Forwarded-For`, `-Proto` and `-Host`, or `Forwarded` (RFC 7239).",
      ),
    trusted: list("a list of addresses", range, 1_024)
      .prefault([])
      .describe("The proxies in front of this host that are believed what they tell of their clients."),
  }).prefault({});
}

/** A range with its number of bits: `192.0.2.1` is `192.0.2.1/32`. */
export function parseRange(input: string): string | undefined {
  const [address = "", written, ...more] = input.split("/");
  if (isIP(address) === 0 || address.includes("%") || more.length > 0) return undefined;
  const all = isIPv4(address) ? 32 : 128;
  if (written !== undefined && !/^\d{1,3}$/.test(written)) return undefined;
  const bits = Number(written ?? all);
  return bits <= all ? `${address}/${bits}` : undefined;
}
