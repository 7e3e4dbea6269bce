import { once } from "node:events";
import { createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";

/**
 * Why a port of this machine cannot be used, as the end of a sentence; undefined when it can. The proxy's listeners share their port with any
 * other that allows it, such as a second proxy's, and would get every other connection: so somebody who shares nothing asks first.
 */
export async function whyTaken(port: number): Promise<string | undefined> {
  const probe = createServer();
  try {
    probe.listen(port, LOOPBACK);
    await once(probe, "listening");
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "EADDRINUSE" ? "another program listens there" : String(code);
  } finally {
    probe.close();
  }
}
