import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { $init, generateTypes } from "@bytecodealliance/jco-transpile/component";
import { type Declarations, declarationsOf } from "../filter/declarations.ts";

/** All interfaces of the contract in a folder's WIT, by their full names, as jco declares them. */
export async function contractFrom(folder: string): Promise<Record<string, Declarations>> {
  await $init;
  const files = (await readdir(folder)).filter((name) => name.endsWith(".wit")).sort();
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
  const header = /^package sluice:filter@[\d.]+;/m;
  const [line = "package sluice:filter@0.1.0;"] = texts.flatMap((text) => header.exec(text) ?? []);
  const source = [line, ...texts.map((text) => text.replace(header, ""))].join("\n");
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
