import { afterEach } from "vitest";
import type { RawClient } from "./raw-client.ts";
import { type ConfigParts, startProxy, type TestHost } from "./test-host.ts";
import { type Answer, ok, Upstream } from "./upstream.ts";

/** What each test of a file puts up for itself, and what is taken down after it, the last one first. */
export interface Stage {
  readonly use: <Thing extends AsyncDisposable>(thing: Thing) => Thing;
  /** An upstream and a host in front of it. */
  readonly path: (
    answer?: Answer,
    parts?: ConfigParts,
  ) => Promise<{ readonly upstream: Upstream; readonly host: TestHost }>;
  readonly connect: (host: TestHost, from?: string) => Promise<RawClient>;
}

export function makeStage(): Stage {
  let stack = new AsyncDisposableStack();
  afterEach(async () => {
    await stack.disposeAsync();
    stack = new AsyncDisposableStack();
  });
  const use = <Thing extends AsyncDisposable>(thing: Thing): Thing => stack.use(thing);
  return {
    use,
    path: async (answer, parts = {}) => {
      const upstream = use(await Upstream.start(answer));
      return { upstream, host: use(await startProxy(upstream, parts)) };
    },
    connect: async (host, from) => use(await host.connect(from)),
  };
}

/** An answer that comes when it is told to, with the path of its request. */
export function gate(): { readonly answer: Answer; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const answer: Answer = async ({ target }) => {
    await promise;
    return ok(target);
  };
  return { answer, open: resolve };
}
