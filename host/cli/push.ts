import { readFile } from "node:fs/promises";
import { componentWit } from "@bytecodealliance/jco-transpile/wasm-tools";
import { ArtifactRefused } from "../filter/contract.ts";
import { type ComponentWorld, whyNoFilter, worldOf } from "../filter/world.ts";
import { type SignatureKind } from "../oci/manifest.ts";
import { type Signature, SIGNATURE_BYTES_MAX } from "../oci/signatures.ts";
import { printable } from "./complaint.ts";
import { DONE } from "./exit-code.ts";
import { Progress } from "./progress.ts";
import { openRegistries, type RegistryFlags, SIGNATURE_ENDINGS } from "./registry-access.ts";

/** Puts a component into a registry and prints what it is called there for good. */
export async function push(file: string, reference: string, flags: RegistryFlags): Promise<number> {
  const component = await readComponent(file);
  const world = await worldIn(component, file);
  const signatures = await readSignatures(file);
  const registries = openRegistries(reference, flags);
  using progress = new Progress(`pushing ${file}`);
  try {
    const pushed = await registries.push(reference, {
      component,
      world,
      signatures,
      createdAt: readCreation(process.env["SOURCE_DATE_EPOCH"]),
      sent: (bytes) => progress.show(bytes, component.length),
    });
    const result = { reference, ...pushed, bytes: component.length, signatures: signatures.length };
    process.stdout.write(`${flags.json ? JSON.stringify(result) : printable(pushed.pinned)}\n`);
    return DONE;
  } finally {
    await registries.close();
  }
}

async function readComponent(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** What nobody could load is not pushed. */
async function worldIn(component: Buffer, file: string): Promise<ComponentWorld> {
  let wit: string;
  try {
    wit = await componentWit(component);
  } catch (error) {
    const why = (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
    throw new ArtifactRefused(`${file} is no component: ${why}`, { cause: error });
  }
  const world = worldOf(wit);
  const notFilter = whyNoFilter(world);
  if (notFilter !== undefined) throw new ArtifactRefused(`${file} ${notFilter}`);
  return world;
}

/** Those that lie beside the component. */
async function readSignatures(file: string): Promise<Signature[]> {
  const kinds = Object.entries(SIGNATURE_ENDINGS) as [SignatureKind, string][];
  const found = await Promise.all(
    kinds.map(async ([kind, ending]): Promise<Signature[]> => {
      try {
        const text = await readFile(`${file}${ending}`, "utf8");
        if (Buffer.byteLength(text) > SIGNATURE_BYTES_MAX)
          throw new ArtifactRefused(
            `${file}${ending} is longer than the ${SIGNATURE_BYTES_MAX} bytes of a signature`,
          );
        return [{ kind, text }];
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
        throw error instanceof ArtifactRefused ? error : unreadable(`${file}${ending}`, error);
      }
    }),
  );
  return found.flat();
}

/** What builds that can be repeated say of their time (reproducible-builds.org). */
function readCreation(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const seconds = Number(text);
  if (!/^\d{1,12}$/.test(text) || Number.isNaN(new Date(seconds * 1_000).getTime()))
    throw new ArtifactRefused(
      `SOURCE_DATE_EPOCH is a number of seconds since 1970, and not ${JSON.stringify(text)}`,
    );
  return seconds;
}

function unreadable(file: string, error: unknown): ArtifactRefused {
  const { code } = error as NodeJS.ErrnoException;
  return new ArtifactRefused(`${file} cannot be read (${code ?? "unreadable"})`, { cause: error });
}
