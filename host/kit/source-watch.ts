import { basename, join } from "node:path";
import { watch } from "chokidar";

/**
 * Watches what a crate is built from: its `src/`, its manifest and its build script. `changed` is told once for what is saved together.
 * Resolves when nothing is missed any more, with what ends it.
 */
export async function watchSources(folder: string, changed: () => void): Promise<() => Promise<void>> {
  let timer: NodeJS.Timeout | undefined;
  const watcher = watch(
    ["src", "Cargo.toml", "build.rs"].map((name) => join(folder, name)),
    { ignoreInitial: true, ignored: (path) => LEFTOVER.test(basename(path)) },
  );
  watcher.on("all", () => {
    clearTimeout(timer);
    timer = setTimeout(changed, GATHER_MS);
  });
  await new Promise<void>((resolve) => watcher.once("ready", resolve));
  return async () => {
    clearTimeout(timer);
    await watcher.close();
  };
}

/** What editors lay beside a file while they save it. */
const LEFTOVER = /^\.|~$|^4913$|\.(swp|tmp)$/;

/** An editor that saves all its files does so within this time. So long a file may be gone, too, that is replaced by another one. */
const GATHER_MS = 150;
