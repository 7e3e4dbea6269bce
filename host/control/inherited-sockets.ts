import { closeSync } from "node:fs";
import type { Server } from "node:net";

/** A listening socket that was open before this process was. */
export interface InheritedSocket {
  readonly fd: number;
  /** For what it is, in the words of `socketName`; undefined: it is known by its address. */
  readonly name: string | undefined;
  /** Whether somebody outside keeps it open, and sees to its file in the end. */
  readonly supervised: boolean;
}

/** The name of a supervisor's socket that is for the admin API, wherever that is. */
export const ADMIN_NAME = "admin";

/** How a process and its successor name the same socket: as their configurations do, before the system has chosen a port. */
export function socketName(use: "listen" | "admin", address: string): string {
  return `${use} ${address}`;
}

/** The sockets that a process was given and has not yet taken. */
export class InheritedSockets {
  readonly #left: InheritedSocket[];

  constructor(sockets: readonly InheritedSocket[] = []) {
    this.#left = [...sockets];
  }

  /** The first one of any of these names. */
  take(...names: readonly string[]): InheritedSocket | undefined {
    const at = this.#left.findIndex(({ name }) => name !== undefined && names.includes(name));
    return at < 0 ? undefined : this.#left.splice(at, 1)[0];
  }

  /** Those that are known by their addresses alone. */
  takeUnnamed(): readonly InheritedSocket[] {
    const unnamed = this.#left.filter(({ name }) => name === undefined);
    for (const socket of unnamed) this.#left.splice(this.#left.indexOf(socket), 1);
    return unnamed;
  }

  /** Closes what nobody has taken, and names it. */
  closeRest(): readonly string[] {
    return this.#left.splice(0).map(({ fd, name }) => {
      closeSync(fd);
      return name ?? `file descriptor ${fd}`;
    });
  }
}

/** The file descriptor of a server that listens: Node has no documented way to ask for it, and child processes need it. */
export function descriptorOf(server: Server): number {
  const { _handle: handle } = server as unknown as { readonly _handle: { readonly fd?: number } | null };
  const fd = handle?.fd ?? -1;
  if (fd < 0) throw new Error("this server has no file descriptor that could be handed on");
  return fd;
}
