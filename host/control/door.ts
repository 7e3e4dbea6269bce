import { type AddressInfo, createServer, isIP, type Server, type Socket } from "node:net";
import { formatAddress } from "../config/address.ts";
import type { Address } from "../config/config.ts";
import {
  descriptorOf,
  type InheritedSocket,
  type InheritedSockets,
  socketName,
} from "./inherited-sockets.ts";

/**
 * A listening socket. The main thread takes the connections, which keeps the system's queue short whatever the workers are
 * doing, and gives each away at once: it never reads a byte of them.
 */
export class Door {
  /** With the actual port. */
  readonly address: Address;
  /** Whether somebody outside of this process keeps it open, too. */
  readonly supervised: boolean;
  readonly #server: Server;

  private constructor(server: Server, address: Address, supervised: boolean) {
    this.#server = server;
    this.address = address;
    this.supervised = supervised;
  }

  /** Another process may listen on the same port while this one still does. */
  static async open(address: Address, take: (socket: Socket) => void): Promise<Door> {
    const server = createServer(OPTIONS, take);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      const { host, port } = address;
      server.listen({ host, port, reusePort: true, backlog: BACKLOG }, () => {
        server.removeListener("error", reject);
        resolve();
      });
    });
    // A connection that was gone before it could be taken is nobody's loss.
    server.on("error", () => {});
    return new Door(server, { ...address, port: (server.address() as AddressInfo).port }, false);
  }

  /** Takes connections from a socket that listens already: what waits in its queue is not lost. */
  static adopt({ fd, supervised }: InheritedSocket, take: (socket: Socket) => void): Door {
    const server = createServer(OPTIONS, take);
    // A descriptor that is no socket is told by the address that is missing then.
    server.on("error", () => {});
    server.listen({ fd, backlog: BACKLOG });
    const bound = server.address();
    if (bound === null || typeof bound === "string") {
      server.close();
      throw new Error(`file descriptor ${fd}, which this process was given, is no TCP socket that listens`);
    }
    return new Door(server, { kind: "tcp", host: bound.address, port: bound.port }, supervised);
  }

  /** For a successor that is to take connections here, too. */
  get descriptor(): number {
    return descriptorOf(this.#server);
  }

  /** Takes no more connections. Those that nobody has taken are reset, unless another process has the socket, too. */
  close(): void {
    this.#server.close();
  }
}

/** One door for each address, in their order: the sockets that this process was given where they fit, new ones elsewhere. */
export async function openDoors(
  addresses: readonly Address[],
  inherited: InheritedSockets,
  take: (listener: number, socket: Socket) => void,
): Promise<readonly Door[]> {
  const doors = new Map<number, Door>();
  try {
    for (const [listener, address] of addresses.entries()) {
      const socket = inherited.take(doorName(address));
      if (socket !== undefined)
        doors.set(
          listener,
          Door.adopt(socket, (taken) => take(listener, taken)),
        );
    }
    for (const socket of inherited.takeUnnamed()) adoptByAddress(socket, addresses, doors, take);
    for (const [listener, address] of addresses.entries()) {
      if (!doors.has(listener))
        doors.set(listener, await Door.open(address, (taken) => take(listener, taken)));
    }
  } catch (error) {
    for (const door of doors.values()) door.close();
    throw error;
  }
  return addresses.map((_, listener) => doors.get(listener) as Door);
}

/** What a process and its successor call the socket of this address; its port may still be 0. */
export function doorName(address: Address): string {
  return socketName("listen", formatAddress(address));
}

function adoptByAddress(
  socket: InheritedSocket,
  addresses: readonly Address[],
  doors: Map<number, Door>,
  take: (listener: number, socket: Socket) => void,
): void {
  let listener = -1;
  const door = Door.adopt(socket, (taken) => take(listener, taken));
  // Found before the event loop turns, and so before anything is taken.
  listener = addresses.findIndex((address, at) => !doors.has(at) && isSame(address, door.address));
  if (listener >= 0) {
    doors.set(listener, door);
    return;
  }
  door.close();
  const address = formatAddress(door.address);
  throw new Error(`a supervisor listens on ${address} for this process, and \`listen\` has no such address`);
}

/** Names are not looked up: a supervisor's socket is configured by its IP address. */
function isSame(one: Address, other: Address): boolean {
  return one.port === other.port && canonical(one.host) === canonical(other.host);
}

/** IPv6 addresses may be written in many ways; those with a zone are compared as they are. */
function canonical(host: string): string {
  return isIP(host) === 6 && !host.includes("%") ? new URL(`http://[${host}]`).hostname : host;
}

const OPTIONS = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true } as const;

/** The system cuts this to its own limit. */
const BACKLOG = 4_096;
