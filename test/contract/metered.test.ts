/** What the meter makes of a component: the same filter, that pays. */
import { ClientAddress } from "../../host/client-address.ts";
import { NO_SENDER } from "../support/no-http.ts";
import { readFileSync } from "node:fs";
import { transpileBytes } from "@bytecodealliance/jco-transpile";
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ArtifactStore } from "../../host/filter/artifact.ts";
import type { HostServices, Instance } from "../../host/filter/contract.ts";
import { DirectInstance } from "../../host/filter/direct.ts";
import { CALL } from "../../host/filter/fuel.ts";
import { OffsetMap } from "../../host/filter/offset-map.ts";
import { loadRewriter, type Rewriter } from "../../host/filter/rewriter.ts";
import { component } from "../support/test-host.ts";
import { handmade } from "./handmade.ts";
import { LIMITS, type Story, temporaryStore, Twin } from "./twin.ts";

const PAGES = 256;
const FUEL = 10_000_000;

let rewriter: Rewriter;

beforeAll(async () => {
  rewriter = await loadRewriter();
});

describe("a filter does the same with fuel as without, and pays the same each time", () => {
  test.each([
    ["headers", { request: { set: { "x-a": "1" } }, response: { remove: ["server"] } }],
    ["api_key", { keys: { alice: SHA256_OF_KEY } }],
    ["mark", { mark: "m" }],
    ["probe", { work: "all-headers" }],
    ["probe", { work: "reply" }],
    ["rules", {}],
  ])("%s %j", async (name, config) => {
    const plain = await mainModule(component(name));
    const text = JSON.stringify(config);
    const twin = (bytes: Uint8Array): { twin: Twin; spent: number[] } => {
      const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
      const spent: number[] = [];
      const make = (host: HostServices): Instance =>
        watched(new DirectInstance(module, host, LIMITS, []), spent);
      return { twin: new Twin(make, text), spent };
    };
    const without = twin(rewriter.unmetered(plain, PAGES, FUEL));
    const paying = [twin(rewriter.meter(plain, PAGES, FUEL)), twin(rewriter.meter(plain, PAGES, FUEL))];
    const planned = without.twin.configure();
    for (const { twin } of paying) expect(twin.configure()).toEqual(planned);
    for (const story of stories()) {
      const told = without.twin.run(story);
      for (const { twin } of paying) expect(twin.run(story)).toEqual(told);
    }
    const [used = [], again] = paying.map(({ spent }) => spent);
    expect(used).toEqual(again);
    expect(used.length).toBe(without.spent.length);
    expect(Math.max(...without.spent)).toBe(0);
    expect(Math.min(...used)).toBeGreaterThan(0);
    expect(Math.max(...used), "far below the default").toBeLessThan(300_000);
  });
});

describe("a place in rewritten code", () => {
  test("is told by the function's name and its offset in the original module", async () => {
    const bytes = await parse(`(module (memory 1)
      (func $count (param $n i32) (loop $l (i32.store (i32.const 0) (local.get $n))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
      (func $falls (param $n i32) (call $count (i32.const 3)) (if (local.get $n) (then (unreachable)))
        (drop (i32.div_u (i32.const 1) (local.get $n))))
      (func $run (export "run") (param $n i32) (call $count (i32.const 2)) (call $falls (local.get $n)) (call $count (i32.const 1))))`);
    const metered = new WebAssembly.Module(rewriter.meter(bytes, PAGES, FUEL) as Uint8Array<ArrayBuffer>);
    const original = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    const map = new OffsetMap(metered);
    for (const argument of [0, 1]) {
      const was = frames(original, "run", argument);
      const is = frames(metered, `${CALL}run`, argument);
      expect(was.map(({ name }) => name)).toEqual(["falls", "run"]);
      expect(is.slice(0, 2).map(({ name, offset }) => ({ name, offset: map.original(offset) }))).toEqual(was);
      expect(is[0]?.offset, "it has moved").not.toBe(was[0]?.offset);
    }
    expect(map.original(0)).toBeUndefined();
  });

  test("is nowhere in a module that has not been rewritten", async () => {
    const plain = new WebAssembly.Module((await parse("(module (func))")) as Uint8Array<ArrayBuffer>);
    expect(new OffsetMap(plain).original(30)).toBeUndefined();
  });
});

describe("a component that cannot be metered is refused", () => {
  const place = temporaryStore();
  afterAll(place.close);

  test("with the module and the reason", async () => {
    const file = await handmade(`${place.folder}/wide.wasm`, { beside: "(table 70000 funcref)" });
    await expect(place.store.load(file, undefined)).rejects.toThrow(
      `${file} cannot be metered: its module component.core.wasm has a table of 70000 elements; 65536 may be`,
    );
  });
});

test("what was rewritten is kept for the meter's version and the memory's maximum", async () => {
  const place = temporaryStore();
  try {
    const [small, large] = await Promise.all([
      place.store.load(component("mark"), undefined, 2 << 20),
      place.store.load(component("mark"), undefined, 4 << 20),
    ]);
    expect(small).not.toBe(large);
    expect([small.memoryBytesMax, large.memoryBytesMax]).toEqual([2 << 20, 4 << 20]);
    const other = new ArtifactStore(place.folder);
    const again = await other.load(component("mark"), undefined, 2 << 20);
    await other.close();
    expect(again.linked.script).toBe(small.linked.script);
    expect(large.linked.script).not.toBe(small.linked.script);
  } finally {
    await place.close();
  }
});

/** The same instance, of which it is kept what each call has consumed. */
function watched(instance: Instance, spent: number[]): Instance {
  return new Proxy(instance, {
    get: (target, name: keyof Instance) => {
      const member: unknown = target[name];
      if (typeof member !== "function") return member;
      return (...parameters: unknown[]) => {
        try {
          return member.apply(target, parameters) as unknown;
        } finally {
          spent.push(target.fuelUsed);
        }
      };
    },
  });
}

/** Of `open-sesame`, which the stories have as their key. */
const SHA256_OF_KEY = "d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7";

function stories(): Story[] {
  const paths = ["/", "/cart?full=1", `/${"long".repeat(100)}`, "/break/none"];
  return paths.map((path, index) => ({
    method: "GET",
    scheme: "https",
    authority: "shop.example.com",
    path,
    fields: [
      "Host",
      "shop.example.com",
      "x-api-key",
      index % 2 === 0 ? "open-sesame" : "wrong",
      "accept",
      "*/*",
    ],
    status: 200,
    responseFields: ["server", "test", "content-type", "text/plain"],
    facts: {
      requestId: "id",
      route: "shop",
      protocol: "HTTP/1.1",
      tlsVersion: undefined,
      clientAddress: new ClientAddress("::1"),
      http: NO_SENDER,
    },
    outcome: { ending: "complete", status: 200, durationUs: 1, requestBytes: 0, responseBytes: 2 },
  }));
}

/** A component's main module as its author's compiler has made it. */
async function mainModule(file: string): Promise<Uint8Array> {
  const { files } = await transpileBytes(readFileSync(file), {
    name: "component",
    instantiation: "sync",
    base64Cutoff: 0,
  });
  return files["component.core.wasm"] as Uint8Array;
}

/** Where a call traps, innermost first. */
function frames(
  module: WebAssembly.Module,
  name: string,
  argument: number,
): { name: string | undefined; offset: number }[] {
  const { exports } = new WebAssembly.Instance(module);
  try {
    (exports[name] as unknown as (argument: number) => void)(argument);
  } catch (error) {
    const stack = (error as Error).stack ?? "";
    return [
      ...stack.matchAll(/at (?:\w+\.)?(\S+)? ?\(?wasm:\/\/wasm\/[^:]*:wasm-function\[\d+\]:0x([0-9a-f]+)/g),
    ].map(([, found, offset]) => ({ name: found, offset: Number.parseInt(offset ?? "", 16) }));
  }
  throw new Error("it did not trap");
}
