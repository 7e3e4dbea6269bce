import type { Socket } from "node:net";
import { formatAddress } from "../config/address.ts";
import type { Address } from "../config/config.ts";
import type { ListenerMaterial } from "../tls/material.ts";
import { type Door, doorName, openDoors } from "./door.ts";
import type { InheritedSocket, InheritedSockets } from "./inherited-sockets.ts";
import type { Order } from "./messages.ts";

/** Where connections are taken, and with what they are served; `tls` is null in the clear. */
export interface Endpoint {
  readonly address: Address;
  readonly tls: ListenerMaterial | null;
  readonly proxyProtocol: boolean;
}

/** An endpoint, by an id that no other one ever has; workers know it by that. */
export interface Entrance {
  readonly id: number;
  endpoint: Endpoint;
}

/** What has to happen for other endpoints to be live. */
export interface EntranceChange {
  /** In the order of the endpoints. */
  readonly next: readonly Entrance[];
  /** Those that workers have to be told of before a connection comes. */
  readonly added: readonly Entrance[];
  /** Those that stay, with other certificates. */
  readonly renewed: readonly Entrance[];
  readonly removed: readonly Entrance[];
}

/** A door, and which entrance its connections come by. */
interface Way {
  readonly door: Door;
  readonly leads: { to: Entrance };
}

/** The addresses where connections are taken. One that stays is never closed, whatever changes behind it. */
export class Entrances {
  readonly #take: (listener: number, socket: Socket) => void;
  #ways: readonly Way[] = [];
  #lastId = 0;

  constructor(take: (listener: number, socket: Socket) => void) {
    this.#take = take;
  }

  get all(): readonly Entrance[] {
    return this.#ways.map(({ leads }) => leads.to);
  }

  /** With their actual ports, in the order of the endpoints. */
  get addresses(): readonly Address[] {
    return this.#ways.map(({ door }) => door.address);
  }

  /** What another process needs to take connections at the same addresses. */
  get sockets(): readonly InheritedSocket[] {
    return this.#ways.map(({ door, leads }) => ({
      fd: door.descriptor,
      name: doorName(leads.to.endpoint.address),
      supervised: door.supervised,
    }));
  }

  plan(endpoints: readonly Endpoint[]): EntranceChange {
    const left = [...this.all];
    const added: Entrance[] = [];
    const renewed: Entrance[] = [];
    const next = endpoints.map((endpoint) => {
      const at = left.findIndex((entrance) => isAlike(entrance.endpoint, endpoint));
      if (at < 0) {
        this.#lastId += 1;
        const fresh = { id: this.#lastId, endpoint };
        added.push(fresh);
        return fresh;
      }
      const [kept] = left.splice(at, 1) as [Entrance];
      if (!isSame(kept.endpoint.tls, endpoint.tls)) renewed.push({ id: kept.id, endpoint });
      return kept;
    });
    return { next, added, renewed, removed: left };
  }

  /**
   * Opens the doors that are missing. Resolves with what makes the change live, or takes it back; rejects, and nothing is open
   * that was not, when an address cannot be had.
   */
  async open(
    { next, renewed }: EntranceChange,
    inherited: InheritedSockets,
  ): Promise<{ commit(): void; abandon(): void }> {
    const before = [...this.#ways];
    // The same address with other options keeps its door: what waits in its queue is not lost.
    const kept = next.map(({ endpoint }) => {
      const at = before.findIndex(
        ({ leads }) => formatAddress(leads.to.endpoint.address) === formatAddress(endpoint.address),
      );
      return at < 0 ? undefined : before.splice(at, 1)[0];
    });
    const missing = next.filter((_, at) => kept[at] === undefined);
    const leads = missing.map((to) => ({ to }));
    const doors = await openDoors(
      missing.map(({ endpoint }) => endpoint.address),
      inherited,
      // One may have a connection before the next one is open.
      (at, socket) => this.#take((leads[at] as Way["leads"]).to.id, socket),
    );
    const opened = doors.map((door, at): Way => ({ door, leads: leads[at] as Way["leads"] }));
    return {
      commit: () => {
        const fresh = [...opened];
        for (const { id, endpoint } of renewed) {
          const stays = next.find((entrance) => entrance.id === id);
          if (stays !== undefined) stays.endpoint = endpoint;
        }
        this.#ways = kept.flatMap((way, at) => {
          const found = way ?? fresh.shift();
          if (found === undefined) return [];
          found.leads.to = next[at] as Entrance;
          return [found];
        });
        for (const { door } of before) door.close();
      },
      abandon: () => {
        for (const { door } of opened) door.close();
      },
    };
  }

  close(): void {
    for (const { door } of this.#ways) door.close();
  }
}

/** Whether a listener of the one can serve the other: its certificates can be renewed, what else it has cannot. */
function isAlike(one: Endpoint, other: Endpoint): boolean {
  return (
    formatAddress(one.address) === formatAddress(other.address) &&
    one.proxyProtocol === other.proxyProtocol &&
    one.tls?.minVersion === other.tls?.minVersion &&
    one.tls?.clientCertificates === other.tls?.clientCertificates
  );
}

function isSame(one: ListenerMaterial | null, other: ListenerMaterial | null): boolean {
  if (one === null || other === null) return one === other;
  return JSON.stringify([one.pairs, one.clientCa]) === JSON.stringify([other.pairs, other.clientCa]);
}

/** Makes a worker ready for its connections. */
export function openOrder({ id, endpoint }: Entrance): Extract<Order, { kind: "open" }> {
  return { kind: "open", listener: id, tls: endpoint.tls, proxyProtocol: endpoint.proxyProtocol };
}
