import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { AddressKey } from "../../host/address-key.ts";
import { ClientAddress, formFor } from "../../host/client-address.ts";

const NOON = Date.UTC(2026, 10, 27, 12);
const KEY = new AddressKey(AddressKey.memory(NOON));

describe("a client's address", () => {
  const address = new ClientAddress("203.0.113.7");

  test("cannot be written down by accident", () => {
    const written = [
      JSON.stringify({ address, list: [address] }),
      String(address),
      `${address as unknown as string}`,
      "" + (address as unknown as string),
      inspect({ address }, { showHidden: true, depth: 9 }),
      inspect(structuredClone({ address })),
      JSON.stringify(Object.entries({ ...address })),
      String(new Error("no", { cause: address }).cause),
    ];
    expect(written.filter((text) => text.includes("203"))).toEqual([]);
    expect(written[0], "a member would say that there was one").toBe('{"list":[null]}');
  });

  test.each([
    ["203.0.113.7", "203.0.113.0/24"],
    ["::ffff:203.0.113.7", "203.0.113.0/24"],
    ["::FFFF:cb00:7107", "203.0.113.0/24"],
    ["0:0:0:0:0:ffff:203.0.113.7", "203.0.113.0/24"],
    ["2001:db8:77:88::99", "2001:db8:77::/48"],
    ["2001:db8::99", "2001:db8::/48"],
    ["2001:DB8:0:1::", "2001:db8::/48"],
    ["::1", "::/48"],
    ["fe80::1%eth0", "fe80::/48"],
    ["unknown", undefined],
    ["", undefined],
  ])("%j is truncated to %j", (text, network) => {
    expect(new ClientAddress(text).told("truncate", KEY)).toBe(network);
  });

  test("is told as it is configured, and by nothing else", () => {
    expect(address.told("drop", KEY)).toBeUndefined();
    expect(address.told("whole", KEY)).toBe("203.0.113.7");
    expect(new ClientAddress("::ffff:203.0.113.7").told("whole", KEY)).toBe("203.0.113.7");
    expect(new ClientAddress("").told("keyed-hash", KEY)).toBeUndefined();
    const forms = { log: "drop", filters: "truncate" } as const;
    expect([false, true, "whole" as const].map((grant) => formFor(grant, forms))).toEqual([
      "drop",
      "truncate",
      "whole",
    ]);
  });
});

describe("a keyed hash", () => {
  test("is the same in all threads of a day, and another one on the next", () => {
    const memory = AddressKey.memory(NOON);
    const [main, one, other] = [memory, memory, memory].map((shared) => new AddressKey(shared));
    const address = new ClientAddress("203.0.113.7");
    const named = (key: AddressKey | undefined): string | undefined =>
      key && new ClientAddress("::ffff:203.0.113.7").told("keyed-hash", key);
    const first = address.told("keyed-hash", one as AddressKey);
    expect(first).toMatch(/^[\w-]{16}$/);
    main?.renew(Date.UTC(2026, 10, 27, 23, 59, 59, 999));
    expect([named(one), named(other)]).toEqual([first, first]);

    main?.renew(Date.UTC(2026, 10, 28));
    const next = address.told("keyed-hash", one as AddressKey);
    expect(next).not.toBe(first);
    expect([named(main), named(other)]).toEqual([next, next]);
    expect(named(KEY), "another process has another key").not.toBe(first);
  });
});
