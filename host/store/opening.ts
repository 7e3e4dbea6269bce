import type { Config } from "../config/config.ts";
import type { UpstreamLog } from "../ops/upstream-log.ts";
import type { RemoteStore } from "./remote-store.ts";

/** The store on a server, where there is one. Its client is loaded by those that need it. */
export async function openRemote(
  { store, timeouts }: Config,
  log: UpstreamLog,
): Promise<RemoteStore | undefined> {
  if (store.server === null) return undefined;
  const { RemoteStore } = await import("./remote-store.ts");
  return new RemoteStore(
    { url: store.server, timeoutMs: timeouts.storeMs },
    {
      storeLost: (reason) => log.line("warn", "store", "", "", "the store's server is lost", reason),
      storeBack: () => log.line("info", "store", "", "", "the store's server is there"),
    },
  );
}
