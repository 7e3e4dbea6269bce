import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ArtifactStore } from "../../host/filter/artifact.ts";
import { component } from "../support/test-host.ts";

/** Has hosts that keep their artifacts in this folder call these components through jco, though the direct path knows them. */
export async function callByReference(folder: string, names: readonly string[]): Promise<void> {
  const store = new ArtifactStore(folder);
  for (const name of names) await store.load(component(name), undefined);
  await store.close();
  for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!path.endsWith("artifact.json")) continue;
    const file = join(folder, path);
    const record = JSON.parse(readFileSync(file, "utf8")) as { direct: boolean };
    writeFileSync(file, JSON.stringify({ ...record, direct: false }));
  }
}
