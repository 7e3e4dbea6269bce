import type { Asked, ChangeResult, Differences, SwapRequest, SwapResult } from "./control.ts";
import type { Operations } from "./operations.ts";

/** The part of a host that changes what runs, or says what a change would come to. `Control` tells of each. */
export abstract class ChangingHost {
  protected abstract readonly operations: Operations;

  swap(filter: string, request: SwapRequest, asked: Asked = LOCAL): Promise<SwapResult> {
    return this.operations.swap(filter, request, asked);
  }

  diffSwap(filter: string, request: SwapRequest): Promise<Differences> {
    return this.operations.diffSwap(filter, request);
  }

  promote(filter: string, asked: Asked = LOCAL): Promise<ChangeResult> {
    return this.operations.promote(filter, asked);
  }

  endTrial(filter: string, asked: Asked = LOCAL): Promise<ChangeResult> {
    return this.operations.endTrial(filter, asked);
  }

  rollback(to: number | undefined, asked: Asked = LOCAL): Promise<ChangeResult> {
    return this.operations.rollback(to, asked);
  }

  diff(text: string | undefined): Promise<Differences> {
    return this.operations.diff(text);
  }

  apply(text: string | undefined, asked: Asked = LOCAL): Promise<ChangeResult> {
    return this.operations.apply(text, asked);
  }

  drainServer(
    upstream: string,
    server: string,
    drained: boolean,
    asked: Asked = LOCAL,
  ): Promise<ChangeResult> {
    return this.operations.drainServer(upstream, server, drained, asked);
  }

  setWeight(upstream: string, server: string, weight: number, asked: Asked = LOCAL): Promise<ChangeResult> {
    return this.operations.setWeight(upstream, server, weight, asked);
  }
}

/** Who embeds a host asks for himself. */
const LOCAL: Asked = { by: "local" };
