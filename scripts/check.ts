/**
 * The one door: everything that a change has to pass, each step in a line, and what failed in full.
 *
 *   npm run check                 all of it
 *   npm run check -- --fast       format, lint and types: seconds, nothing is built
 */
import { spawnSync } from "node:child_process";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";

interface Step {
  readonly name: string;
  readonly command: string;
  /** A part of Rust that minimal installations leave out: `cargo <part> --version` tells, and this adds it. */
  readonly part?: { readonly name: string; readonly add: string };
  readonly fast?: true;
  /** Its output is worth watching. */
  readonly long?: true;
}

const STEPS: readonly Step[] = [
  { name: "format of TypeScript", command: "biome format .", fast: true },
  {
    name: "format of Rust",
    command: "cargo fmt --all --check",
    part: { name: "fmt", add: "rustup component add rustfmt" },
    fast: true,
  },
  { name: "lint of TypeScript", command: "oxlint", fast: true },
  { name: "types", command: "tsc && tsc --project dashboard", fast: true },
  { name: "what nothing uses", command: "knip" },
  { name: "package-lock.json", command: "node scripts/complete-lockfile.ts --check", fast: true },
  { name: "Cargo.lock", command: "cargo metadata --locked --format-version 1" },
  {
    name: "lint of Rust",
    command: "cargo clippy --workspace --all-targets --quiet -- --deny warnings",
    part: { name: "clippy", add: "rustup component add clippy" },
  },
  {
    name: "licences and sources of crates",
    command: "cargo deny --log-level error check bans licenses sources",
    part: { name: "deny", add: "cargo install cargo-deny --locked" },
  },
  { name: "the package", command: "npm run build --silent && node dist/cli/main.js --version" },
  { name: "tests", command: "npm test", long: true },
];

const ROOT = join(import.meta.dirname, "..");
const ENVIRONMENT = {
  ...process.env,
  PATH: [join(ROOT, "node_modules", ".bin"), process.env["PATH"]].join(delimiter),
};

type Verdict = "passed" | "failed" | "not run";

function perform(step: Step): Verdict {
  const started = performance.now();
  if (step.part !== undefined && !succeeds(`cargo ${step.part.name} --version`)) {
    console.log(`- ${step.name}: not run, cargo ${step.part.name} is not installed (${step.part.add})`);
    return "not run";
  }
  if (step.long) console.log(`  ${step.name}: ${step.command}`);
  const { status, stdout, stderr } = spawnSync(step.command, {
    cwd: ROOT,
    env: ENVIRONMENT,
    shell: true,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    stdio: ["ignore", ...(step.long ? (["inherit", "inherit"] as const) : (["pipe", "pipe"] as const))],
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${status === 0 ? "✓" : "✗"} ${step.name} (${seconds} s)`);
  if (status !== 0 && !step.long) console.log(`${stdout}${stderr}\n  again: ${step.command}`);
  return status === 0 ? "passed" : "failed";
}

function succeeds(command: string): boolean {
  return spawnSync(command, { cwd: ROOT, env: ENVIRONMENT, shell: true, stdio: "ignore" }).status === 0;
}

const { values } = parseArgs({ options: { fast: { type: "boolean", default: false } } });
const steps = STEPS.filter((step) => step.fast || !values.fast);
const verdicts = steps.map((step) => [step.name, perform(step)] as const);
const failed = verdicts.filter(([, verdict]) => verdict === "failed").map(([name]) => name);
const missing = verdicts.filter(([, verdict]) => verdict === "not run").map(([name]) => name);

console.log(
  [
    failed.length === 0 ? "check: passed" : `check: failed (${failed.join(", ")})`,
    ...(missing.length === 0 ? [] : [`not run: ${missing.join(", ")}`]),
  ].join("; "),
);
process.exitCode = failed.length === 0 ? 0 : 1;
