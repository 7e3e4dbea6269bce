import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { componentEmbed, componentNew, parse } from "@bytecodealliance/jco-transpile/wasm-tools";

/** The parts of a filter whose core module is written by hand: what no compiler makes. Each is a sequence of instructions. */
export interface Handmade {
  /** Has the locals $config and $length; leaves a pointer to the result. */
  readonly configure?: string;
  /** Has the locals $exchange and $head; leaves a pointer to the decision. */
  readonly onRequest?: string;
  /** As `onRequest`. */
  readonly onResponse?: string;
  readonly onEnd?: string;
  /** Leaves a pointer to the state: its place and length. With this or `restore` the component exports `state`. */
  readonly save?: string;
  /** Has the locals $digest, $digest-length, $state and $length; leaves a pointer to the result. */
  readonly restore?: string;
  /** Has the locals $align and $length; leaves a pointer. */
  readonly realloc?: string;
  /** Definitions beside the functions: more memory, globals. */
  readonly beside?: string;
  /** The bytes of the plan: flags, and from the fifth on how bodies are taken; request alone unless given. */
  readonly plan?: readonly number[];
  /** Left out, the host's own path does not know the component, as it does not know those that are composed. */
  readonly destructor?: false;
}

/** A pointer to the result of a configure that went well. */
export const CONFIGURED = "(i32.const 16)";

/** A pointer to the decision to proceed. */
export const PROCEED = "(i32.const 48)";

/** Gives the head back and proceeds. */
export const DROP_AND_PROCEED: string = `(call $drop-request (local.get $head)) ${PROCEED}`;

/** A pointer to the result of a restore that went well, and to the state that is empty. */
export const RESTORED = "(i32.const 48)";

/** Makes the component and writes it to a file. */
export async function handmade(file: string, parts: Handmade): Promise<string> {
  const core = await parse(coreOf(parts));
  const embedded = await componentEmbed({
    binary: core,
    witSource: `${contract()}\n${worldOf(parts)}`,
    world: "handmade",
  });
  writeFileSync(file, await componentNew(embedded, []));
  return file;
}

/** A component of any world, whose functions do nothing but trap. */
export async function dummy(file: string, witSource: string, world: string): Promise<string> {
  const embedded = await componentEmbed({ dummy: true, witSource, world });
  writeFileSync(file, await componentNew(embedded, []));
  return file;
}

/** The package of the contract as one text, to which worlds can be added. */
export function contract(version = "0.1.0"): string {
  const folder = join(import.meta.dirname, "..", "..", "wit");
  const interfaces = ["types", "filter", "state", "imports"].map((name) =>
    readFileSync(join(folder, `${name}.wit`), "utf8"),
  );
  const body = interfaces.join("\n").replaceAll(/^package .*$/gm, "");
  return `package sluice:filter@${version};\n${body.replaceAll("version = 0.1.0", `version = ${version}`)}`;
}

function isStateful({ save, restore }: Handmade): boolean {
  return save !== undefined || restore !== undefined;
}

function worldOf(parts: Handmade): string {
  const state = isStateful(parts) ? "export state;" : "";
  return `world handmade { import types; import log; import exchange-facts; export filter; ${state} }`;
}

const FILTER = "sluice:filter/filter@0.1.0";
const STATE = "sluice:filter/state@0.1.0";

function coreOf(parts: Handmade): string {
  const method = (name: string, body: string): string =>
    `(func (export "${FILTER}#[method]exchange.${name}") (param $exchange i32) (param $head i32) (result i32) ${body})`;
  const unused = (name: string): string =>
    `(func (export "${FILTER}#[method]exchange.${name}") (param i32 i32 i32 i32) (result i32) unreachable)`;
  return `(module
    ${IMPORTS.join("\n    ")}
    (memory (export "memory") 1)
    ${parts.beside ?? ""}
    (global $free (mut i32) (i32.const 8192))
    (data (i32.const 20) "${(parts.plan ?? [1]).map(hex).join("")}")
    (func $realloc (export "cabi_realloc") (param i32 i32) (param $align i32) (param $length i32) (result i32)
      ${parts.realloc ?? BUMP})
    (func (export "${FILTER}#configure") (param $config i32) (param $length i32) (result i32)
      ${parts.configure ?? CONFIGURED})
    (func (export "${FILTER}#[constructor]exchange") (result i32) (call $new-exchange (i32.const 64)))
    ${parts.destructor === false ? "" : `(func (export "${FILTER}#[dtor]exchange") (param i32))`}
    ${method("on-request", parts.onRequest ?? DROP_AND_PROCEED)}
    ${method("on-response", parts.onResponse ?? `(call $drop-response (local.get $head)) ${PROCEED}`)}
    ${["on-request-trailers", "on-response-trailers"].map((name) => method(name, "unreachable")).join("\n")}
    ${["on-request-chunk", "on-request-body", "on-response-chunk", "on-response-body"].map(unused).join("\n")}
    (func (export "${FILTER}#[method]exchange.on-end") (param i32 i32 i32 i32 i64 i64 i64) ${parts.onEnd ?? ""})
    ${isStateful(parts) ? stateOf(parts) : ""}
  )`;
}

function stateOf({ save, restore }: Handmade): string {
  return `
    (func (export "${STATE}#save") (result i32) ${save ?? RESTORED})
    (func (export "${STATE}#restore") (param $digest i32) (param $digest-length i32)
      (param $state i32) (param $length i32) (result i32) ${restore ?? RESTORED})`;
}

/** Room is never given back: a test's exchanges are few. */
const BUMP = `
  (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
  (global.get $free)
  (global.set $free (i32.add (global.get $free) (local.get $length)))`;

const IMPORTS: readonly string[] = [
  imported(`[export]${FILTER}`, "[resource-new]exchange", "new-exchange", "(param i32) (result i32)"),
  ...["request", "response", "trailers"].map((resource) =>
    imported("sluice:filter/types@0.1.0", `[resource-drop]${resource}`, `drop-${resource}`, "(param i32)"),
  ),
  ...["request", "response"].flatMap((resource) => [
    imported(
      "sluice:filter/types@0.1.0",
      `[method]${resource}.header`,
      `${resource}-header`,
      "(param i32 i32 i32 i32)",
    ),
    imported(
      "sluice:filter/types@0.1.0",
      `[method]${resource}.header-values`,
      `${resource}-values`,
      "(param i32 i32 i32 i32)",
    ),
    imported(
      "sluice:filter/types@0.1.0",
      `[method]${resource}.headers`,
      `${resource}-headers`,
      "(param i32 i32)",
    ),
    imported(
      "sluice:filter/types@0.1.0",
      `[method]${resource}.set-header`,
      `${resource}-set`,
      "(param i32 i32 i32 i32 i32)",
    ),
    imported(
      "sluice:filter/types@0.1.0",
      `[method]${resource}.append-header`,
      `${resource}-append`,
      "(param i32 i32 i32 i32 i32)",
    ),
    imported(
      "sluice:filter/types@0.1.0",
      `[method]${resource}.remove-header`,
      `${resource}-remove`,
      "(param i32 i32 i32)",
    ),
  ]),
  ...["method", "scheme", "authority", "path"].map((name) =>
    imported("sluice:filter/types@0.1.0", `[method]request.${name}`, `request-${name}`, "(param i32 i32)"),
  ),
  ...["method", "authority", "path"].map((name) =>
    imported(
      "sluice:filter/types@0.1.0",
      `[method]request.set-${name}`,
      `request-set-${name}`,
      "(param i32 i32 i32)",
    ),
  ),
  imported(
    "sluice:filter/types@0.1.0",
    "[method]response.status",
    "response-status",
    "(param i32) (result i32)",
  ),
  imported(
    "sluice:filter/types@0.1.0",
    "[method]response.set-status",
    "response-set-status",
    "(param i32 i32)",
  ),
  imported("sluice:filter/log@0.1.0", "enabled", "log-enabled", "(param i32) (result i32)"),
  imported("sluice:filter/log@0.1.0", "log", "log", "(param i32 i32 i32 i32 i32)"),
  ...["request-id", "route", "filter-name", "protocol", "tls-version", "client-address"].map((name) =>
    imported("sluice:filter/exchange-facts@0.1.0", name, name, "(param i32)"),
  ),
  imported("sluice:filter/exchange-facts@0.1.0", "metadata", "metadata", "(param i32 i32 i32)"),
  imported(
    "sluice:filter/exchange-facts@0.1.0",
    "set-metadata",
    "set-metadata",
    "(param i32 i32 i32 i64 i32)",
  ),
];

function imported(from: string, name: string, local: string, type: string): string {
  return `(import "${from}" "${name}" (func $${local} ${type}))`;
}

function hex(byte: number): string {
  return `\\${byte.toString(16).padStart(2, "0")}`;
}
