/**
 * Adds to package-lock.json the packages for other platforms that npm has left out:
 *
 *   node scripts/complete-lockfile.ts            to be run after `npm install` has changed the lockfile
 *   node scripts/complete-lockfile.ts --check    only tells what is missing
 *
 * Tools that ship a binary name one optional package a platform. Where the registry is a mirror that lacks some of
 * them, `npm install` leaves them out, and then `npm ci` refuses the lockfile that npm itself has just written
 * (npm/cli#9846). Their versions are exact and their platform is in their names, so they can be written without being
 * fetched. They have no checksum: npm takes what the registry gives on those platforms.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface LockedPackage {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

interface Lockfile {
  packages: Record<string, LockedPackage>;
}

const PATH = join(import.meta.dirname, "..", "package-lock.json");

const SYSTEMS = [
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
];
const PROCESSORS = [
  "arm",
  "arm64",
  "ia32",
  "loong64",
  "mips64el",
  "ppc64",
  "riscv64",
  "s390x",
  "wasm32",
  "x64",
];
const LIBRARIES: Readonly<Record<string, string>> = {
  gnu: "glibc",
  gnueabihf: "glibc",
  musl: "musl",
  musleabihf: "musl",
};

const lockfile = JSON.parse(readFileSync(PATH, "utf8")) as Lockfile;
const added: string[] = [];

for (const [location, { dev, optionalDependencies = {} }] of Object.entries(lockfile.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const visible = visibleFrom(location, name);
    // npm itself sees to ranges; only an exact version can be missing here.
    if (visible !== undefined && (visible.version === version || !isExact(version))) continue;
    const place = `node_modules/${name}`;
    // Another version at the top: this one goes beside the package that wants it, as npm does it.
    const free = lockfile.packages[place] === undefined ? place : `${location}/${place}`;
    lockfile.packages[free] = locked(name, version, dev === true);
    added.push(`${name}@${version}`);
  }
}

if (process.argv.includes("--check")) {
  if (added.length > 0)
    console.error(`package-lock.json lacks ${added.join(", ")}: node scripts/complete-lockfile.ts`);
  process.exitCode = added.length === 0 ? 0 : 1;
} else if (added.length > 0) {
  lockfile.packages = Object.fromEntries(
    Object.entries(lockfile.packages).sort(([a], [b]) => a.localeCompare(b, "en")),
  );
  writeFileSync(PATH, `${JSON.stringify(lockfile, null, 2)}\n`);
  console.log(`package-lock.json: ${added.length} packages for other platforms added`);
}

/** What Node's lookup finds from this place. */
function visibleFrom(location: string, name: string): LockedPackage | undefined {
  const beside = lockfile.packages[`${location === "" ? "" : `${location}/`}node_modules/${name}`];
  if (beside !== undefined || location === "") return beside;
  return visibleFrom(location.slice(0, Math.max(0, location.lastIndexOf("node_modules/") - 1)), name);
}

/** In npm's own order of keys, so that its next run changes nothing. */
function locked(name: string, version: string, dev: boolean): LockedPackage {
  const words = name.slice(name.lastIndexOf("/") + 1).split("-");
  const os = SYSTEMS.filter((system) => words.includes(system));
  const cpu = PROCESSORS.filter((processor) => words.includes(processor));
  const libc = words.flatMap((word) => LIBRARIES[word] ?? []);
  if (!isExact(version) || cpu.length !== 1) {
    throw new Error(
      `${name}@${version}: its version or its platform cannot be told from this: add it by hand`,
    );
  }
  return {
    version,
    cpu,
    ...(dev ? { dev } : {}),
    ...(libc.length === 0 ? {} : { libc }),
    optional: true,
    ...(os.length === 0 ? {} : { os }),
  };
}

function isExact(version: string): boolean {
  return /^\d+\.\d+\.\d+/.test(version);
}
