import { ADMIN_NAME, type InheritedSocket, InheritedSockets } from "../control/inherited-sockets.ts";

type Environment = NodeJS.ProcessEnv;

/** What a process tells its successor of the sockets that it has opened for it. */
const VARIABLE = "SLUICE_SOCKETS";

/** The first descriptor that a supervisor gives. */
const SUPERVISED_FIRST = 3;

/**
 * The listening sockets that this process was started with: by the process whose place it takes, or by a supervisor that
 * follows systemd's socket activation. The variables that tell of them are taken out, so that no child believes them.
 */
export function takeInheritance(environment: Environment): InheritedSockets {
  const { [VARIABLE]: passed, LISTEN_FDS: count, LISTEN_PID: pid, LISTEN_FDNAMES: names } = environment;
  for (const name of [VARIABLE, "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]) delete environment[name];
  if (passed !== undefined) return new InheritedSockets(JSON.parse(passed) as InheritedSocket[]);
  // Sockets that were meant for another process, which has started this one.
  if (count === undefined || pid !== String(process.pid)) return new InheritedSockets();
  const labels = names?.split(":") ?? [];
  return new InheritedSockets(
    Array.from({ length: Number(count) }, (_, at) => ({
      fd: SUPERVISED_FIRST + at,
      // Whatever else it is called, a socket is for the listener of its address.
      name: labels[at] === ADMIN_NAME ? ADMIN_NAME : undefined,
      supervised: true,
    })),
  );
}

/** The environment of a successor, which finds the sockets at `first` and after it. */
export function bequest(
  environment: Environment,
  sockets: readonly InheritedSocket[],
  first: number,
): Environment {
  const passed = sockets.map(({ name, supervised }, at) => ({ name, supervised, fd: first + at }));
  return { ...environment, [VARIABLE]: JSON.stringify(passed) };
}
