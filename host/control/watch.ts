import assert from "node:assert/strict";
import { type BigIntStats, lstatSync, readlinkSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, parse, resolve, sep } from "node:path";
import { type FSWatcher, watch } from "chokidar";

export interface ArtifactWatchOptions {
  /** A file is not what it was, and has settled. The path is one of those given to `set`, as it was given. */
  readonly onChange: (path: string) => void;
  /** A sentence for the log: some directory cannot be watched. The others still are. */
  readonly onError?: (sentence: string) => void;
  /** A change is told when the file has stayed the same for so long. */
  readonly debounceMs?: number;
}

export interface ArtifactWatch {
  /**
   * Replaces the set of watched files, given by absolute paths. What a file is at this moment counts as known: call it before
   * the files are read, so that a change in between is told rather than lost.
   */
  set(paths: readonly string[]): void;
  close(): Promise<void>;
}

/**
 * Tells when component files change on disk: written in place, renamed over, deleted and created, or
 * reached through another symbolic link.
 *
 * Directories are watched, never files: a watch on a file follows the inode and goes silent when
 * another file takes its name. Events are hints only; what counts is whether the file that the path
 * leads to is another one than before, so a lost or doubled event does no harm.
 */
export function watchArtifacts(options: ArtifactWatchOptions): ArtifactWatch {
  return new DirectoryWatch(options);
}

/** Long enough for a linker that writes in bursts, short enough to feel immediate. */
const DEBOUNCE_MS = 100;

/** A build touches thousands of files; one look serves all the events of this long. */
const GATHER_MS = 10;

/** As many as Linux follows before it reports a loop. */
const LINKS_MAX = 40;

interface Watched {
  /** What the file was when it was last told about, or when it was set; undefined when there was none. */
  known: string | undefined;
  settling: { readonly seen: string; readonly timer: NodeJS.Timeout } | undefined;
}

interface Directory {
  readonly identity: string;
  readonly names: ReadonlySet<string>;
  readonly watcher: FSWatcher;
}

class DirectoryWatch implements ArtifactWatch {
  readonly #options: ArtifactWatchOptions;
  readonly #debounceMs: number;
  readonly #files = new Map<string, Watched>();
  readonly #directories = new Map<string, Directory>();
  #gathering: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ArtifactWatchOptions) {
    this.#options = options;
    this.#debounceMs = options.debounceMs ?? DEBOUNCE_MS;
  }

  set(paths: readonly string[]): void {
    if (this.#closed) return;
    for (const path of paths) assert(isAbsolute(path), `${path} is no absolute path`);
    const wanted = new Set(paths);
    for (const [path, file] of this.#files) {
      if (wanted.has(path)) continue;
      clearTimeout(file.settling?.timer);
      this.#files.delete(path);
    }
    for (const path of wanted) {
      if (!this.#files.has(path)) this.#files.set(path, { known: fingerprint(path), settling: undefined });
    }
    this.#watchDirectories();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#gathering);
    for (const file of this.#files.values()) clearTimeout(file.settling?.timer);
    this.#files.clear();
    const watchers = [...this.#directories.values()].map((directory) => directory.watcher);
    this.#directories.clear();
    await Promise.all(watchers.map(stop));
  }

  /** Something happened, or a watch has just begun and may have missed something. */
  #hint(): void {
    if (this.#closed || this.#gathering !== undefined) return;
    this.#gathering = setTimeout(() => {
      this.#gathering = undefined;
      // First the directories: a link may lead elsewhere now, or a directory may have been replaced.
      this.#watchDirectories();
      for (const [path, file] of this.#files) this.#look(path, file);
    }, GATHER_MS);
  }

  /** Starts to wait, goes on waiting, or stops it, by what the file is now. */
  #look(path: string, file: Watched): void {
    const seen = fingerprint(path);
    // Other files of the directory cause hints, too: they must not put this one's wait back.
    if (file.settling !== undefined && file.settling.seen === seen) return;
    clearTimeout(file.settling?.timer);
    file.settling = undefined;
    // A file that is gone is half of a delete-and-create, or a removal: what runs goes on either way.
    if (seen === undefined || seen === file.known) return;
    const timer = setTimeout(() => this.#settle(path, file, seen), this.#debounceMs);
    file.settling = { seen, timer };
  }

  #settle(path: string, file: Watched, seen: string): void {
    file.settling = undefined;
    if (fingerprint(path) !== seen) {
      this.#look(path, file);
      return;
    }
    file.known = seen;
    this.#options.onChange(path);
  }

  #watchDirectories(): void {
    const wanted = new Map<string, Set<string>>();
    for (const path of this.#files.keys()) {
      for (const place of placesOf(resolve(path))) {
        const names = wanted.get(place.directory);
        if (names === undefined) wanted.set(place.directory, new Set([place.name]));
        else names.add(place.name);
      }
    }
    for (const [path, directory] of this.#directories) {
      const names = wanted.get(path);
      // The same path may be another directory by now, on which the old watch is blind. Events of files that nobody wants any more do no harm.
      if (names?.isSubsetOf(directory.names) && identityOf(path) === directory.identity) {
        wanted.delete(path);
        continue;
      }
      this.#directories.delete(path);
      void stop(directory.watcher);
    }
    for (const [path, names] of wanted) this.#watchDirectory(path, names);
  }

  #watchDirectory(path: string, names: ReadonlySet<string>): void {
    const watcher = watch(path, {
      depth: 0,
      ignoreInitial: true,
      // Links are followed here, one step at a time: chokidar would watch only where they end.
      followSymlinks: false,
      atomic: false,
      ignored: (entry) => entry !== path && !(dirname(entry) === path && names.has(basename(entry))),
    });
    this.#directories.set(path, { identity: identityOf(path), names, watcher });
    watcher.on("error", (error) => {
      const why = error instanceof Error ? error.message : String(error);
      this.#options.onError?.(`The directory ${path} cannot be watched for changed artifacts: ${why}`);
    });
    watcher.on("ready", () => this.#hint());
    // The events that chokidar makes of these leave out some quick changes, and a directory without our files that goes.
    watcher.on("raw", () => this.#hint());
  }
}

/**
 * Every place where a rename could change which file a path leads to: the directory of each symbolic
 * link on the way, and of the file itself. Where the way ends early, the place where it would go on.
 */
function placesOf(path: string): { readonly directory: string; readonly name: string }[] {
  const places: { directory: string; name: string }[] = [];
  let directory = parse(path).root;
  let rest = path.slice(directory.length).split(sep);
  let links = 0;
  for (;;) {
    const [name, ...after] = rest;
    if (name === undefined) return places;
    const entry = join(directory, name);
    const stats = attempt(() => lstatSync(entry));
    if (stats?.isSymbolicLink() && links < LINKS_MAX) {
      links += 1;
      places.push({ directory, name });
      const target = attempt(() => readlinkSync(entry));
      if (target === undefined) return places;
      const absolute = resolve(directory, target);
      directory = parse(absolute).root;
      rest = [...absolute.slice(directory.length).split(sep), ...after];
    } else if (stats?.isDirectory() && after.length > 0) {
      directory = entry;
      rest = after;
    } else {
      places.push({ directory, name });
      return places;
    }
  }
}

/**
 * Which file the path leads to, and in what state. Synchronous: a stat takes microseconds, the main
 * thread carries no traffic, and an answer that comes later could be about another file.
 */
function fingerprint(path: string): string | undefined {
  const stats = attempt(() => statSync(path, { bigint: true }));
  // The change time counts, too: `cp -p` and `rsync -t` put the modification time back.
  return stats?.isFile() ? `${idOf(stats)} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}` : undefined;
}

function identityOf(directory: string): string {
  const stats = attempt(() => statSync(directory, { bigint: true }));
  // A directory that is made right after another one was removed often gets its inode, so that alone does not tell.
  return stats === undefined ? "gone" : `${idOf(stats)} ${stats.birthtimeNs}`;
}

function idOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`;
}

/** After its end a chokidar watcher may still report an error, which would be thrown without a listener. */
function stop(watcher: FSWatcher): Promise<void> {
  const stopped = watcher.close();
  watcher.on("error", () => undefined);
  return stopped;
}

/** Undefined for what is not there, or not ours to see: both mean that there is no artifact at present. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
