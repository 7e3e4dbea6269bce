/** Handles that a guest has been given and does not give back. */
import { expect, test } from "vitest";
import type { ExchangeFacts, HostServices } from "../../host/filter/contract.ts";
import { coreWasi } from "../../host/filter/core-wasi.ts";
import { Services } from "../../host/filter/services.ts";
import { LIMITS } from "./twin.ts";

/** A guest that calls WASI by itself, and how many handles were found to be missing. */
class Guest {
  leaked = 0;
  readonly #services = new Services(
    {
      handlesLeaked: (count: number) => (this.leaked += count),
      store: { remote: undefined },
    } as unknown as HostServices,
    LIMITS,
    [],
  );
  readonly #imports = coreWasi(() => {
    throw new Error("none of these calls is about memory");
  }, this.#services);

  call(module: string, name: string): void {
    const group = this.#imports[`wasi:${module}@0.2`] as Record<string, (handle: never) => unknown>;
    group[name]?.(1 as never);
  }

  exchange(calls: () => void): void {
    this.#services.open({} as ExchangeFacts);
    calls();
    this.#services.close();
  }
}

test("a handle that is given back in time is not missed", () => {
  const guest = new Guest();
  guest.exchange(() => {
    guest.call("cli/stdout", "get-stdout");
    guest.call("io/streams", "[method]output-stream.subscribe");
    guest.call("io/poll", "[resource-drop]pollable");
    guest.call("io/streams", "[resource-drop]output-stream");
  });
  expect(guest.leaked).toBe(0);
});

test("handles that an exchange leaves behind are counted when it ends, each once", () => {
  const guest = new Guest();
  guest.exchange(() => {
    guest.call("cli/stdin", "get-stdin");
    for (let count = 0; count < 7; count++) guest.call("cli/stderr", "get-stderr");
    guest.call("io/streams", "[method]input-stream.subscribe");
    guest.call("io/poll", "[resource-drop]pollable");
  });
  expect(guest.leaked).toBe(2);
  guest.exchange(() => {});
  expect(guest.leaked).toBe(2);
});

test("the standard streams are an instance's to keep, with a pollable each", () => {
  const guest = new Guest();
  guest.exchange(() => {
    for (const name of ["stdin", "stdout", "stderr"]) {
      guest.call(`cli/${name}`, `get-${name}`);
      guest.call("io/streams", "[method]output-stream.subscribe");
    }
  });
  expect(guest.leaked).toBe(0);
});

test("what was taken outside of an exchange may be kept, and given back later", () => {
  const guest = new Guest();
  guest.call("cli/stdout", "get-stdout");
  guest.exchange(() => {});
  guest.exchange(() => guest.call("io/streams", "[resource-drop]output-stream"));
  expect(guest.leaked).toBe(0);
});

test.each([
  ["io/streams", "[resource-drop]output-stream"],
  ["io/streams", "[resource-drop]input-stream"],
  ["io/poll", "[resource-drop]pollable"],
])("%s %s traps where there is nothing to give back", (module, name) => {
  const guest = new Guest();
  expect(() => guest.call(module, name)).toThrow(
    expect.objectContaining({ name: "GuestTrap", reason: "handle" }),
  );
});
