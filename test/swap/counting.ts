/** The fixture `count` in a host: it counts its exchanges, and says whose count it goes on with. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { type RawClient, request } from "../support/raw-client.ts";
import {
  component,
  type ConfigParts,
  type LogLine,
  startProxy,
  type TestHost,
} from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";

export const COUNT: string = component("count");
export const DIGEST: string = digestOf(COUNT);

export function digestOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** A host with the filter, its upstream, and those who ask it. */
export class CountingStage implements AsyncDisposable {
  /** What the upstream answers. */
  answer: Answer = () => ok("here");
  readonly #stack = new AsyncDisposableStack();
  #upstream: Upstream | undefined;
  #host: TestHost | undefined;

  get host(): TestHost {
    return this.#host as TestHost;
  }

  get upstream(): Upstream {
    return this.#upstream as Upstream;
  }

  /** Gives a client of the host. */
  async start(config: object, parts: ConfigParts = {}): Promise<RawClient> {
    this.#upstream = this.#stack.use(await Upstream.start((arrival) => this.answer(arrival)));
    const host = await startProxy(this.#upstream, {
      filters: { count: { component: COUNT, config } },
      routes: [{ upstream: "main", filters: ["count"] }],
      ...parts,
    });
    this.#host = this.#stack.use(host);
    return this.connect();
  }

  async connect(): Promise<RawClient> {
    return this.#stack.use(await this.host.connect());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** What one more exchange tells. */
export async function ask(
  client: RawClient,
): Promise<{ count: number; lineage: string; from: string; mark: string }> {
  const { status, head } = await client.ask(request("/"));
  expect(status).toBe(200);
  const told = (name: string): string => head.one(name) ?? "";
  return {
    count: Number(told("x-count")),
    lineage: told("x-lineage"),
    from: told("x-from"),
    mark: told("x-mark"),
  };
}

/** After so many more. */
export async function counted(client: RawClient, exchanges: number): Promise<number> {
  let last = 0;
  for (let index = 0; index < exchanges; index++) ({ count: last } = await ask(client));
  return last;
}

export function swap(host: TestHost, config: object, file: string = COUNT): Promise<unknown> {
  return host.host.swap("count", { component: file, config });
}

/** The results of hand-overs that have occurred, with how often. */
export async function results(host: TestHost): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const result of ["saved", "restored", "refused", "failed"]) {
    const series = `sluice_filter_state_handovers_total{filter="count",result="${result}"}`;
    const count = await host.metric(series);
    if (count > 0) counts[result] = count;
  }
  return counts;
}

export const isHandover = ({ msg }: LogLine): boolean => msg.startsWith("state ");

/** Why there was no hand-over, as the log says it. */
export async function whyNot(host: TestHost): Promise<string> {
  const [line] = await host.lines("the hand-over", isHandover);
  expect(line).toMatchObject({ level: 40, filter: "count", msg: "state not handed over" });
  return (line as unknown as { attributes: { why: string } }).attributes.why;
}
