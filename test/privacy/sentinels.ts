import { isIPv4 } from "node:net";

/** Clients' addresses that nothing else has: wherever one of them shows, a client's address has got there. */
export const SENTINELS = {
  socket: "127.77.88.99",
  /** At a socket of IPv6, where it is `::ffff:127.77.88.98`. */
  mapped: "127.77.88.98",
  forwarded: "203.0.113.77",
  forwardedMapped: "203.0.113.78",
  forwardedV6: "2001:db8:77:88::99",
  proxied: "198.51.100.77",
  proxiedMapped: "198.51.100.78",
  proxiedV6: "2001:db8:99:88::77",
} as const;

export type Sentinel = keyof typeof SENTINELS;

/** Which sentinels a text has in it, in whatever spelling, with some of what is around. */
export function found(text: string): string[] {
  return (Object.keys(SENTINELS) as Sentinel[]).flatMap((name) =>
    spellings(SENTINELS[name]).flatMap((spelling) => {
      const at = text.search(spelling);
      return at < 0 ? [] : [`${name}: …${text.slice(Math.max(0, at - 60), at + 80)}…`];
    }),
  );
}

/** As text; as bytes in hex; both in base64. */
function spellings(address: string): RegExp[] {
  const text = Buffer.from(address);
  const bytes = isIPv4(address) ? Buffer.from(address.split(".").map(Number)) : groupsOf(address);
  const expanded = bytes.toString("hex").match(/.{4}/g)?.join(":") ?? address;
  const words = [address, expanded, text.toString("hex"), unpadded(text)];
  return [
    ...words.map((word) => new RegExp(word.replaceAll(/[.+/]/g, String.raw`\$&`), "i")),
    new RegExp(`(?<![0-9a-f])${bytes.toString("hex")}(?![0-9a-f])`, "i"),
    new RegExp(`(?<![\\w+/-])${unpadded(bytes).replaceAll(/[+/]/g, ".")}(?![\\w+/-])`),
  ];
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}

function groupsOf(address: string): Buffer {
  const [before = "", after = ""] = address.split("::").map((half) => half.split(":").map(padded).join(""));
  return Buffer.from(before + "0".repeat(32 - before.length - after.length) + after, "hex");
}

function padded(group: string): string {
  return group.padStart(4, "0");
}
