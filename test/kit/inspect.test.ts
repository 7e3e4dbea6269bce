import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ArtifactStore } from "../../host/filter/artifact.ts";
import {
  codeOf,
  CORE_MODULE,
  CUSTOM,
  customNameOf,
  digestOf,
  modulesOf,
  sectionsOf,
} from "../../host/filter/sections.ts";
import { crateOf, crateSizes } from "../../host/kit/code-size.ts";
import { type ComponentReport, reportOf } from "../../host/kit/report.ts";
import { stripped } from "../../host/kit/strip.ts";
import { sluice } from "../cli/command.ts";
import { component } from "../support/test-host.ts";

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "sluice-inspect-"));
});

afterEach(() => rmSync(cwd, { recursive: true }));

test("a filter is told with its digest, its imports, the grants it needs and its phases", async () => {
  copyFileSync(component("ext_authz"), join(cwd, "authz.wasm"));
  writeFileSync(join(cwd, "authz.wasm.sig"), "bm90aGluZw==\n");
  const config = JSON.stringify({ upstream: "authz", path: "/check" });

  const { code, stdout, stderr } = await sluice(["inspect", "authz.wasm", "--config", config], { cwd });

  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const digest = createHash("sha256")
    .update(readFileSync(component("ext_authz")))
    .digest("hex");
  for (const line of [
    /^file +authz\.wasm, \d+\.\d KiB$/m,
    new RegExp(`^digest +${digest}$`, "m"),
    /^imports +types, .*http-client.*, \d+ of WASI$/m,
    /^grants +grant: \{ clock: true, http: \[UPSTREAM\] \}$/m,
    /^phases +request$/m,
    /^signature +authz\.wasm\.sig$/m,
    /^import +sluice:filter\/http-client@0\.1\.0$/m,
    /^export +sluice:filter\/filter@0\.1\.0$/m,
    /^code +\d+\.\d KiB$/m,
    /^processed-by +.*wit-component/m,
  ])
    expect(stdout).toMatch(line);
});

test("what is granted to every filter is not asked of operators", async () => {
  const { grants, imports } = await reportOf(component("headers"), undefined);

  expect(imports).toContain("sluice:filter/exchange-facts@0.1.0");
  expect(grants).toEqual([]);
});

test("phases follow from a config, and without one they may not be known", async () => {
  const request = await reportOf(component("headers"), { request: { remove: ["x-a"] } });
  expect(request.phases).toEqual({ known: true, phases: ["request"] });

  const unknown = await reportOf(component("ext_authz"), undefined);
  expect(unknown).toMatchObject({ refused: null, phases: { known: false } });
  expect(JSON.stringify(unknown.phases)).toContain("missing field `upstream`");
});

test("a config that the filter refuses costs the exit code, in the filter's own words", async () => {
  const words = ["inspect", component("ext_authz"), "--config", '{"upstream":1}'];
  const { code, stdout, stderr } = await sluice(words, { cwd });

  expect(code).toBe(1);
  expect(stdout).toMatch(/^phases +not known: /m);
  expect(stderr).toMatch(
    /^sluice: a host refuses it: filter ext_authz refuses its config: config\.upstream: /,
  );

  expect(await sluice(["inspect", component("headers"), "--config", "{"], { cwd })).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^sluice: --config is no JSON: /),
  });
});

test("a variable in a config is named, as its value is known to nobody here", async () => {
  const { phases } = await reportOf(component("headers"), {
    request: { set: { "x-a": "${NOBODY_SETS_THIS}" } },
  });

  expect(phases).toEqual({ known: false, why: expect.stringContaining("NOBODY_SETS_THIS") });
});

describe("what a host refuses is refused with its sentence", () => {
  test.each([
    ["text", () => Buffer.from("no component"), "is no WebAssembly file: it does not begin with \\0asm."],
    [
      "a core module",
      () => Buffer.from(modulesOf(readFileSync(component("mark")))[0] ?? []),
      "is a core module and no component: build it with --target wasm32-wasip2.",
    ],
  ])("%s, of which nothing else is told", async (_, bytes, sentence) => {
    writeFileSync(join(cwd, "x.wasm"), bytes());

    expect(await sluice(["inspect", "x.wasm"], { cwd })).toEqual({
      code: 1,
      stdout: "",
      stderr: `sluice: x.wasm ${sentence}\n`,
    });
  });

  test("a filter of another contract, of which the rest is told", async () => {
    const bytes = readFileSync(component("mark")).toString("latin1");
    writeFileSync(
      join(cwd, "x.wasm"),
      bytes.replaceAll("sluice:filter/filter@0.1.0", "sluice:filter/filter@0.9.0"),
      "latin1",
    );

    const { code, stdout, stderr } = await sluice(["inspect", "x.wasm", "--json"], { cwd });

    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^sluice: a host refuses it: x\.wasm exports sluice:filter\/filter@0\.9\.0, and this host serves /,
    );
    const report = JSON.parse(stdout) as ComponentReport;
    expect(report).toMatchObject({ path: null, phases: { known: false, why: "a host refuses it" } });
    expect(report.exports).toEqual(["sluice:filter/filter@0.9.0"]);
    expect(report.sections.length).toBeGreaterThan(5);
  });

  test("a file that is not there", async () => {
    expect(await sluice(["inspect", "none.wasm"], { cwd })).toMatchObject({
      code: 1,
      stderr: "sluice: none.wasm cannot be read (ENOENT).\n",
    });
  });
});

describe("code is counted by crate", () => {
  test("with the component's own names", async () => {
    const { crates, sections } = await reportOf(component("trap"), undefined);

    const names = crates?.map(({ name }) => name) ?? [];
    expect(names).toEqual(
      expect.arrayContaining(["trap", "sluice_filter", "core", "alloc", "serde_json", "(exports)"]),
    );
    const code = sections.find(({ name }) => name === "code")?.bytes ?? 0;
    const sum = crates?.reduce((all, { bytes }) => all + bytes, 0) ?? 0;
    // Only how many functions there are is not any function's.
    expect(code - sum).toBeLessThan(4);
    expect(code).toBeGreaterThan(sum);
  });

  test("with those in the file beside it, when that is of the same code", async () => {
    const file = join(cwd, "trap.wasm");
    const bare = stripped(readFileSync(component("trap")));
    writeFileSync(file, bare);
    expect(await crateSizes(file, bare), "a stripped component has names").toBeUndefined();

    copyFileSync(component("trap"), join(cwd, "trap.debug.wasm"));
    const own = await crateSizes(component("trap"), readFileSync(component("trap")));
    expect(await crateSizes(file, bare)).toEqual({ file: join(cwd, "trap.debug.wasm"), crates: own?.crates });
    expect((await reportOf(file, undefined)).debug).toEqual({
      file: join(cwd, "trap.debug.wasm"),
      sameCode: true,
    });
  });

  test("and not with those of other code", async () => {
    copyFileSync(component("mark"), join(cwd, "mark.wasm"));
    copyFileSync(component("trap"), join(cwd, "mark.debug.wasm"));

    const { code, stdout, stderr } = await sluice(["inspect", "mark.wasm"], { cwd });

    expect(code).toBe(0);
    expect(stdout).toContain("no names, and so no crates");
    expect(stderr).toBe(
      "sluice: mark.debug.wasm is of other code, and is not used: stack traces have no lines\n",
    );
  });

  test.each([
    ["headers::edits::parse_edit", "headers"],
    ["<headers::Headers as sluice_filter::filter::Filter>::configure", "headers"],
    ["<f64 as zmij::private::Sealed>::write", "zmij"],
    ["<&T as core::fmt::Display>::fmt", "core"],
    ["<[alloc::vec::Vec<u8>] as core::fmt::Debug>::fmt", "alloc"],
    ["<str>::trim", "core"],
    ["core::ptr::drop_in_place::<headers::Headers>", "core"],
    ["sluice:filter/filter@0.1.0#[method]exchange.on-request", "(exports)"],
    ["cabi_realloc", "(exports)"],
    ["dlmalloc", "(C library)"],
    ["", "(no name)"],
  ])("%s is of %s", (name, crate) => {
    expect(crateOf(name)).toBe(crate);
  });
});

test("a stripped component runs the same code, and says who has made it", async () => {
  const whole = readFileSync(component("trap"));
  const bare = stripped(whole);

  expect(bare.length).toBeLessThan(whole.length / 5);
  const codes = (bytes: Uint8Array): string[] => modulesOf(bytes).map((module) => digestOf(codeOf(module)));
  expect(codes(bare)).toEqual(codes(whole));
  expect(customNames(whole)).toContain(".debug_line");
  expect(customNames(bare).filter((name) => name !== "component-name")).toEqual(
    expect.arrayContaining(["producers"]),
  );
  expect(customNames(bare).filter((name) => /^(\.debug|name$)/.test(name))).toEqual([]);
  expect(stripped(bare).equals(bare), "stripping twice is not stripping once").toBe(true);

  const store = new ArtifactStore(join(cwd, "store"));
  try {
    writeFileSync(join(cwd, "bare.wasm"), bare);
    const [one, other] = [
      await store.load(join(cwd, "bare.wasm"), undefined),
      await store.load(component("trap"), undefined),
    ];
    expect(one.direct).toBe(true);
    expect(one.code, "a stack trace would find no lines").toBe(other.code);
  } finally {
    await store.close();
  }
});

function customNames(bytes: Uint8Array): string[] {
  return [...sectionsOf(bytes)].flatMap((section) => {
    if (section.id === CORE_MODULE && section.contents[0] === 0) return customNames(section.contents);
    return section.id === CUSTOM ? [customNameOf(section).name] : [];
  });
}
