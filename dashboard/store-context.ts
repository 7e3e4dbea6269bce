import { type Context, createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import type { LiveStore, State } from "./live-store.ts";

export const StoreContext: Context<LiveStore | undefined> = createContext<LiveStore | undefined>(undefined);

export function useStore(): LiveStore {
  const store = useContext(StoreContext);
  if (store === undefined) throw new Error("there is no store around this");
  return store;
}

/** What is known now; who asks is rendered again when something else is. */
export function useLive(): State {
  const store = useStore();
  const [state, setState] = useState(store.state);
  useEffect(() => store.watch(() => setState(store.state)), [store]);
  return state;
}

/** Whether whoever looks on may do what takes this role. */
export function useMay(role: "swap" | "admin"): boolean {
  const { whoami } = useLive();
  return whoami !== undefined && (whoami.role === "admin" || whoami.role === role);
}
