import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * A command that runs apt-get with these words. One at a time, whichever test file asks: of two that begin together one would fail for the locks
 * of the other.
 */
export function aptGet(...words: string[]): [command: string, args: string[]] {
  const lock = join(tmpdir(), "sluice-tests-apt.lock");
  return ["flock", [lock, "apt-get", "-o", "DPkg::Lock::Timeout=300", ...words]];
}
