import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ArtifactWatch, watchArtifacts } from "../../host/control/watch.ts";

const WAIT_MS_MAX = 10_000;

let folder: string;
let watches: ArtifactWatch[];

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "sluice-watch-")));
  watches = [];
});

afterEach(async () => {
  await Promise.all(watches.map((watch) => watch.close()));
  rmSync(folder, { recursive: true, force: true });
});

/** A watch, and every change that it has told, in order. */
class Ear {
  readonly heard: string[] = [];
  readonly watch: ArtifactWatch;
  #told = Promise.withResolvers<void>();
  #asked = 0;

  constructor(paths: readonly string[], debounceMs?: number) {
    this.watch = watchArtifacts({
      onChange: (path) => {
        this.heard.push(path);
        this.#told.resolve();
        this.#told = Promise.withResolvers();
      },
      ...(debounceMs !== undefined && { debounceMs }),
    });
    watches.push(this.watch);
    this.watch.set(paths);
  }

  /** The next change that has not been asked for yet, which must come. */
  async next(): Promise<string> {
    const late = Promise.withResolvers<"late">();
    const timer = setTimeout(() => late.resolve("late"), WAIT_MS_MAX);
    let outcome: unknown;
    while (this.heard.length <= this.#asked && outcome !== "late") {
      outcome = await Promise.race([this.#told.promise, late.promise]);
    }
    clearTimeout(timer);
    this.#asked += 1;
    return this.heard[this.#asked - 1] ?? `nothing within ${WAIT_MS_MAX} ms`;
  }
}

function file(name: string, content = "old"): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test("a file that is written in place is told", async () => {
  const path = file("a.wasm");
  const ear = new Ear([path]);

  writeFileSync(path, "new");

  expect(await ear.next()).toBe(path);
});

test("a change between set() and the operating system's watch is told, too", async () => {
  const path = file("a.wasm");
  const ear = new Ear([path]);

  // In the same turn: no directory is watched yet, so no event can tell.
  unlinkSync(path);
  writeFileSync(path, "new");

  expect(await ear.next()).toBe(path);
});

test("a file is told each time that another one is renamed over it", async () => {
  const path = file("a.wasm");
  const ear = new Ear([path], 20);

  for (const version of ["1", "2", "3"]) {
    renameSync(file("a.wasm.new", version), path);
    expect(await ear.next()).toBe(path);
  }
  writeFileSync(path, "4, in place, on the last of them");
  expect(await ear.next()).toBe(path);

  expect(ear.heard).toEqual([path, path, path, path]);
});

test("a file that an editor moves away, writes anew and tidies up after is told once", async () => {
  const path = file("a.wasm");
  const marker = file("marker.wasm");
  const ear = new Ear([path, marker]);

  renameSync(path, `${path}~`);
  writeFileSync(path, "new");
  unlinkSync(`${path}~`);
  expect(await ear.next()).toBe(path);
  writeFileSync(marker, "new");
  expect(await ear.next()).toBe(marker);

  expect(ear.heard).toEqual([path, marker]);
});

test("a file that is deleted is not told until there is one again", async () => {
  const path = file("a.wasm");
  const marker = file("marker.wasm");
  const ear = new Ear([path, marker], 20);

  unlinkSync(path);
  writeFileSync(marker, "new");
  expect(await ear.next()).toBe(marker);
  expect(ear.heard, "there is nothing to load").toEqual([marker]);
  writeFileSync(path, "old");

  expect(await ear.next()).toBe(path);
});

test("several quick writes are one change", async () => {
  const path = file("a.wasm");
  const marker = file("marker.wasm");
  const ear = new Ear([path, marker]);

  for (let write = 0; write < 20; write += 1) writeFileSync(path, `new ${write}`);
  expect(await ear.next()).toBe(path);
  writeFileSync(marker, "new");
  expect(await ear.next()).toBe(marker);

  expect(ear.heard).toEqual([path, marker]);
});

test("a file that is still being written is told when that has ended", async () => {
  const path = file("a.wasm");
  const ear = new Ear([path], 500);

  const descriptor = openSync(path, "w");
  // For longer than the debounce, so that nothing but waiting for the file to settle can hold it back.
  const until = performance.now() + 800;
  while (performance.now() < until) {
    writeSync(descriptor, "x");
    await setImmediate();
  }
  closeSync(descriptor);
  expect(ear.heard, "half a file was told").toEqual([]);

  expect(await ear.next()).toBe(path);
});

test("a copy that keeps size and modification time is a change", async () => {
  const path = file("a.wasm", "old");
  const other = file("b.wasm", "new");
  const stamp = new Date("2026-01-01T00:00:00Z");
  utimesSync(path, stamp, stamp);
  const ear = new Ear([path]);

  copyFileSync(other, path);
  utimesSync(path, stamp, stamp);

  expect(await ear.next()).toBe(path);
});

test("other files of the directory neither count nor hold a change back", async () => {
  const path = file("a.wasm");
  const ear = new Ear([path], 200);
  const noise = setInterval(() => appendFileSync(join(folder, "build.log"), "line\n"), 5);

  try {
    writeFileSync(path, "new");
    expect(await ear.next()).toBe(path);
  } finally {
    clearInterval(noise);
  }

  expect(ear.heard).toEqual([path]);
});

test("a file that comes later is told when it comes, with the directories that it needs", async () => {
  const path = join(folder, "build", "release", "a.wasm");
  const ear = new Ear([path]);

  mkdirSync(join(folder, "build", "release"), { recursive: true });
  writeFileSync(path, "new");

  expect(await ear.next()).toBe(path);
});

test("a directory that is removed and made again is watched again", async () => {
  mkdirSync(join(folder, "filters"));
  const path = file("filters/a.wasm");
  const ear = new Ear([path], 20);

  for (const version of ["1", "2"]) {
    rmSync(join(folder, "filters"), { recursive: true });
    mkdirSync(join(folder, "filters"));
    writeFileSync(path, version);
    expect(await ear.next()).toBe(path);
  }
  writeFileSync(path, "3, in place");

  expect(await ear.next()).toBe(path);
});

test("a directory that is exchanged for another one is watched in its place", async () => {
  mkdirSync(join(folder, "filters"));
  mkdirSync(join(folder, "next"));
  const path = file("filters/a.wasm");
  file("next/a.wasm", "new");
  const ear = new Ear([path], 20);

  renameSync(join(folder, "filters"), join(folder, "last"));
  renameSync(join(folder, "next"), join(folder, "filters"));
  expect(await ear.next()).toBe(path);
  writeFileSync(path, "newer, in place");

  expect(await ear.next()).toBe(path);
});

test("a link that is turned to another directory is a change, as Kubernetes does it", async () => {
  // keys.wasm → ..data/keys.wasm, ..data → ..1
  mkdirSync(join(folder, "..1"));
  mkdirSync(join(folder, "..2"));
  file("..1/keys.wasm", "one");
  file("..2/keys.wasm", "two");
  symlinkSync("..1", join(folder, "..data"));
  symlinkSync("..data/keys.wasm", join(folder, "keys.wasm"));
  const path = join(folder, "keys.wasm");
  const ear = new Ear([path], 20);

  symlinkSync("..2", join(folder, "..data_tmp"));
  renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
  expect(await ear.next()).toBe(path);
  expect(readFileSync(path, "utf8")).toBe("two");
  writeFileSync(join(folder, "..2", "keys.wasm"), "two, in place behind both links");

  expect(await ear.next()).toBe(path);
});

test("a link in the middle of the path that is turned is a change", async () => {
  for (const release of ["v1", "v2"]) {
    mkdirSync(join(folder, release, "filters"), { recursive: true });
    file(`${release}/filters/a.wasm`, release);
  }
  symlinkSync(join(folder, "v1"), join(folder, "current"));
  const path = join(folder, "current", "filters", "a.wasm");
  const ear = new Ear([path]);

  unlinkSync(join(folder, "current"));
  symlinkSync(join(folder, "v2"), join(folder, "current"));

  expect(await ear.next()).toBe(path);
});

test("set() begins with new files, ends with dropped ones and knows the rest", async () => {
  const a = file("a.wasm");
  const b = file("b.wasm");
  mkdirSync(join(folder, "more"));
  const c = file("more/c.wasm");
  const ear = new Ear([a, b], 20);
  writeFileSync(a, "new");
  expect(await ear.next()).toBe(a);

  ear.watch.set([b, c]);
  writeFileSync(a, "newer");
  writeFileSync(c, "new");
  expect(await ear.next()).toBe(c);
  writeFileSync(b, "new");
  expect(await ear.next()).toBe(b);

  expect(ear.heard, "a dropped file was told, or a known one again").toEqual([a, c, b]);
});

test("nothing is told after close()", async () => {
  const path = file("a.wasm");
  const closed = new Ear([path], 20);
  const open = new Ear([path], 20);

  writeFileSync(path, "new");
  await closed.watch.close();
  expect(await open.next()).toBe(path);

  expect(closed.heard).toEqual([]);
});

test("where the file system tells nothing, polling finds the changes", async () => {
  process.env["CHOKIDAR_USEPOLLING"] = "1";
  process.env["CHOKIDAR_INTERVAL"] = "20";
  try {
    const path = file("a.wasm");
    const ear = new Ear([path]);

    renameSync(file("a.wasm.new", "new"), path);
    expect(await ear.next()).toBe(path);
    writeFileSync(path, "newer, in place");

    expect(await ear.next()).toBe(path);
  } finally {
    delete process.env["CHOKIDAR_USEPOLLING"];
    delete process.env["CHOKIDAR_INTERVAL"];
  }
});
