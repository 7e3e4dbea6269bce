import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { LiveServer } from "../host/control/live-view.ts";
import { upstreamPath } from "./api.ts";
import { type Proposal, useChanger } from "./change-dialog.tsx";
import { type Column, DataTable } from "./data-table.tsx";
import { Condition } from "./header.tsx";
import { useLive, useMay } from "./store-context.ts";
import { number } from "./wording.ts";

interface Server extends LiveServer {
  readonly upstream: string;
  readonly server: string;
}

export function UpstreamsView(): JSX.Element {
  const { view } = useLive();
  const may = useMay("admin");
  const { propose } = useChanger();
  const upstreams = view?.upstreams;
  const rows = useMemo(() => rowsOf(upstreams ?? {}), [upstreams]);
  const columns = useMemo(() => (may ? [...COLUMNS, drainColumn(propose)] : COLUMNS), [may, propose]);
  return (
    <DataTable
      caption="Servers of all upstreams, as all workers see them together"
      noun="server"
      rows={rows}
      columns={columns}
      empty="There is no upstream."
    />
  );
}

function rowsOf(
  upstreams: Readonly<Record<string, Readonly<Record<string, LiveServer>>>>,
): [string, Server][] {
  return Object.entries(upstreams).flatMap(([upstream, servers]) =>
    Object.entries(servers).map(([server, live]): [string, Server] => [
      `${upstream} ${server}`,
      { ...live, upstream, server },
    ]),
  );
}

const COLUMNS: readonly Column<Server>[] = [
  { title: "Server", cell: ({ server }) => server, by: ({ server }) => server },
  { title: "Upstream", cell: ({ upstream }) => upstream, by: ({ upstream }) => upstream },
  { title: "State", cell: ({ states, drained }) => <ServerState states={states} drained={drained} /> },
  {
    title: "Tries/s",
    isNumber: true,
    cell: ({ triesPerSecond }) => number(triesPerSecond),
    by: ({ triesPerSecond }) => triesPerSecond,
  },
  {
    title: "Failures/s",
    isNumber: true,
    cell: ({ failuresPerSecond }) => (
      <span class={failuresPerSecond > 0 ? "bad" : ""}>{number(failuresPerSecond)}</span>
    ),
    by: ({ failuresPerSecond }) => failuresPerSecond,
  },
  {
    title: "In flight",
    isNumber: true,
    cell: ({ inFlight }) => number(inFlight),
    by: ({ inFlight }) => inFlight,
  },
  { title: "Waiting", isNumber: true, cell: ({ pending }) => number(pending), by: ({ pending }) => pending },
  {
    title: "Connections",
    isNumber: true,
    cell: ({ connections }) => number(connections),
    by: ({ connections }) => connections,
  },
];

function ServerState({ states, drained }: Pick<LiveServer, "states" | "drained">): JSX.Element {
  if (drained) return <Condition isGood={false} text="drained by an operator" />;
  const kinds = Object.entries(states).filter(([, count]) => count > 0);
  const isGood = kinds.every(([state]) => state === "healthy");
  const isSevere = kinds.length > 0 && kinds.every(([state]) => state === "unhealthy" || state === "ejected");
  const text =
    kinds.length === 1
      ? (kinds[0]?.[0] ?? "")
      : kinds.map(([state, count]) => `${state} ${count}`).join(", ");
  return <Condition isGood={isGood} isSevere={isSevere} text={text === "" ? "not known yet" : text} />;
}

function drainColumn(propose: (proposal: Proposal) => void): Column<Server> {
  return {
    title: "Change",
    cell: ({ upstream, server, drained }) => (
      <button type="button" onClick={() => propose(drainProposal(upstream, server, drained))}>
        {drained ? "Undrain…" : "Drain…"}
        <span class="unseen"> {server}</span>
      </button>
    ),
  };
}

function drainProposal(upstream: string, server: string, drained: boolean): Proposal {
  return drained
    ? {
        title: `Give ${server} exchanges again?`,
        explanation: `The upstream ${upstream} chooses among its other servers and this one again.`,
        act: "Undrain",
        path: `${upstreamPath(upstream)}/undrain`,
        body: { server },
        done: `${server} gets exchanges again.`,
      }
    : {
        title: `Drain ${server}?`,
        explanation: `It gets no new exchanges; what it has in flight ends. The other servers of ${upstream} get them.`,
        act: "Drain",
        path: `${upstreamPath(upstream)}/drain`,
        body: { server },
        done: `${server} gets no new exchanges.`,
      };
}
