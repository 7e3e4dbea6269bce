import { readdir, readFile } from "node:fs/promises";
import { $init, generateTypes } from "@bytecodealliance/jco-transpile/component";
import { type Declarations, declarationsOf } from "../host/filter/declarations.ts";

/** All interfaces of the contract, by their full names, as jco declares them. */
export async function contractFrom(folder: URL): Promise<Record<string, Declarations>> {
  await $init;
  const files = (await readdir(folder)).filter((name) => name.endsWith(".wit")).sort();
  const texts = await Promise.all(files.map((name) => readFile(new URL(name, folder), "utf8")));
  const header = "package sluice:filter@0.1.0;";
  const source = [header, ...texts.map((text) => text.replace(header, ""))].join("\n");
  const generated = generateTypes("contract", {
    wit: { tag: "source", val: source },
    instantiation: { tag: "sync" },
    world: "stateful-artifact",
    tlaCompat: false,
    features: { tag: "list", val: [] },
    guest: false,
  });
  const interfaces: Record<string, Declarations> = {};
  for (const [path, bytes] of generated) {
    const text = new TextDecoder().decode(bytes);
    const name = /@module Interface (\S+)/.exec(text)?.[1];
    if (path.startsWith("interfaces/") && name !== undefined) interfaces[name] = declarationsOf(text);
  }
  return interfaces;
}
