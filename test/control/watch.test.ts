import assert from "node:assert/strict";
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
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

  /** One whose watch is known to have begun: what it tells after this it has seen happen. */
  static async open(paths: readonly string[], debounceMs?: number): Promise<Ear> {
    const first = file("first.wasm");
    const ear = new Ear([...paths, first], debounceMs);
    writeFileSync(first, "new");
    assert.equal(await ear.next(), first);
    ear.heard.length = 0;
    ear.#asked = 0;
    return ear;
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
  const ear = await Ear.open([path]);

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
  const ear = await Ear.open([path], 20);

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
  const ear = await Ear.open([path, marker]);

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
  const ear = await Ear.open([path, marker], 20);

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
  const ear = await Ear.open([path, marker]);

  for (let write = 0; write < 20; write += 1) writeFileSync(path, `new ${write}`);
  expect(await ear.next()).toBe(path);
  writeFileSync(marker, "new");
  expect(await ear.next()).toBe(marker);

  expect(ear.heard).toEqual([path, marker]);
});

test("a file that is still being written is told when that has ended", async () => {
  const path = file("a.wasm");
  const ear = await Ear.open([path], 500);

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
  const ear = await Ear.open([path]);

  copyFileSync(other, path);
  utimesSync(path, stamp, stamp);

  expect(await ear.next()).toBe(path);
});

test("other files of the directory neither count nor hold a change back", async () => {
  const path = file("a.wasm");
  const ear = await Ear.open([path], 200);
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
  const ear = await Ear.open([path]);

  mkdirSync(join(folder, "build", "release"), { recursive: true });
  writeFileSync(path, "new");

  expect(await ear.next()).toBe(path);
});

test("a directory that is removed and made again is watched again", async () => {
  mkdirSync(join(folder, "filters"));
  const path = file("filters/a.wasm");
  const ear = await Ear.open([path], 20);

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
  const ear = await Ear.open([path], 20);

  renameSync(join(folder, "filters"), join(folder, "last"));
  renameSync(join(folder, "next"), join(folder, "filters"));
  expect(await ear.next()).toBe(path);
  writeFileSync(path, "newer, in place");

  expect(await ear.next()).toBe(path);
});

test("a link that is turned to another directory is a change, as Kubernetes does it", async () => {
  // keys.wasm → ..data/keys.wasm, ..data → ..1
  const mount = join(folder, "mount");
  mkdirSync(join(mount, "..1"), { recursive: true });
  mkdirSync(join(mount, "..2"));
  file("mount/..1/keys.wasm", "one");
  file("mount/..2/keys.wasm", "two");
  symlinkSync("..1", join(mount, "..data"));
  symlinkSync("..data/keys.wasm", join(mount, "keys.wasm"));
  const path = join(mount, "keys.wasm");
  const ear = await Ear.open([path], 20);

  symlinkSync("..2", join(mount, "..data_tmp"));
  renameSync(join(mount, "..data_tmp"), join(mount, "..data"));
  expect(await ear.next()).toBe(path);
  writeFileSync(join(mount, "..2", "keys.wasm"), "two, in place behind both links");

  expect(await ear.next()).toBe(path);
});

test("a link in the middle of the path that is turned is a change", async () => {
  for (const release of ["v1", "v2"]) {
    mkdirSync(join(folder, "releases", release), { recursive: true });
    file(`releases/${release}/a.wasm`, release);
  }
  mkdirSync(join(folder, "live"));
  const link = join(folder, "live", "current");
  symlinkSync(join(folder, "releases", "v1"), link);
  const path = join(link, "a.wasm");
  const ear = await Ear.open([path]);

  unlinkSync(link);
  symlinkSync("../releases/v2", link);

  expect(await ear.next()).toBe(path);
});

test("set() begins with new files, ends with dropped ones and knows the rest", async () => {
  const a = file("a.wasm");
  const b = file("b.wasm");
  mkdirSync(join(folder, "more"));
  const c = file("more/c.wasm");
  const ear = await Ear.open([a, b], 20);
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
  const closed = await Ear.open([path], 20);
  const open = new Ear([path], 20);

  writeFileSync(path, "new");
  await closed.watch.close();
  expect(await open.next()).toBe(path);

  expect(closed.heard).toEqual([]);
});

test("where the file system tells nothing, polling finds the changes", async () => {
  const path = file("a.wasm");
  const other = file("b.wasm");
  const ear = await polled("20", () => Ear.open([path]));

  renameSync(file("a.wasm.new", "new"), path);
  expect(await ear.next()).toBe(path);
  writeFileSync(path, "newer, in place");
  expect(await ear.next()).toBe(path);

  // In place, so that the directory stays the same: the file itself has to be polled from now on.
  await polled("20", () => Promise.resolve(ear.watch.set([other])));
  writeFileSync(other, "new");
  expect(await ear.next()).toBe(other);
});

test("a file that changes while no event comes is looked at again before it is told", async () => {
  const path = file("a.wasm");
  // One look when the watch begins, and no other for an hour.
  const ear = await polled("3600000", () => Promise.resolve(new Ear([path], 300)));

  const until = performance.now() + 800;
  while (performance.now() < until) {
    appendFileSync(path, "x");
    await setImmediate();
  }
  expect(ear.heard, "half a file was told").toEqual([]);

  expect(await ear.next()).toBe(path);
});

/** Runs this with chokidar told to poll, as often as the interval says. */
async function polled<Result>(interval: string, run: () => Promise<Result>): Promise<Result> {
  process.env["CHOKIDAR_USEPOLLING"] = "1";
  process.env["CHOKIDAR_INTERVAL"] = interval;
  try {
    return await run();
  } finally {
    delete process.env["CHOKIDAR_USEPOLLING"];
    delete process.env["CHOKIDAR_INTERVAL"];
  }
}
