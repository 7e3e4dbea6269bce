import type { MessagePort } from "node:worker_threads";
import { type Answers, faultOf, type Order, type OrderMessage, type WorkerMessage } from "./messages.ts";

/** What an order comes to in the thread that carries it out. It throws, or rejects, when it cannot. */
export type CarryOut = (order: Order) => Promise<Answers[keyof Answers]> | Answers[keyof Answers];

/** Carries out an order of the main thread, and answers it once. */
export async function obey(
  port: MessagePort,
  { id, order }: OrderMessage,
  carryOut: CarryOut,
): Promise<void> {
  const answer = (message: WorkerMessage): void => port.postMessage(message);
  try {
    answer({ kind: "done", id, value: await carryOut(order) });
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error);
    answer({ kind: "failed", id, fault: faultOf(error), sentence });
  }
}
