/** Two workers that answer one request per connection; argument: how the connections reach them. Driven by bench/accept.ts. */
import { type AddressInfo, createServer, type Socket } from "node:net";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

interface Seat {
  readonly worker: Worker;
  readonly open: Int32Array;
  handed: number;
}

/** Of one worker's numbers: connections that it has open, and all that it ever had. */
const OPEN = 0;
const EVER = 1;

if (isMainThread) await main(process.argv[2] ?? "");
else work(workerData as { open: Int32Array; port: number | undefined });

async function main(way: string): Promise<void> {
  const seats: Seat[] = [];
  let port = 0;
  for (let index = 0; index < 2; index++) {
    const open = new Int32Array(new SharedArrayBuffer(8));
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { open, port: way === "reuse-port" ? port : undefined },
    });
    port = await new Promise<number>((resolve) => worker.once("message", resolve));
    seats.push({ worker, open, handed: 0 });
  }
  const load = ({ open, handed }: Seat): number =>
    Atomics.load(open, OPEN) + handed - Atomics.load(open, EVER);
  if (way === "hand-over") {
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
      const seat = seats.reduce((best, other) => (load(other) < load(best) ? other : best));
      seat.handed += 1;
      // The socket is a transferable: typings do not know yet.
      seat.worker.postMessage(socket, [socket as never]);
    });
    server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
  } else process.send?.(port);
  process.on("message", (order) => {
    if (typeof order === "number") report(seats, order);
    else {
      const [leaving] = seats.splice(0, 1);
      leaving?.worker.postMessage("leave");
    }
  });
}

/** Tells each worker's open connections, once all of them have reached one. */
function report(seats: readonly Seat[], expected: number): void {
  const counts = seats.map(({ open }) => Atomics.load(open, OPEN));
  if (counts.reduce((sum, count) => sum + count, 0) >= expected) process.send?.(counts);
  else setImmediate(report, seats, expected);
}

function work({ open, port }: { open: Int32Array; port: number | undefined }): void {
  const serve = (socket: Socket): void => {
    Atomics.add(open, OPEN, 1);
    Atomics.add(open, EVER, 1);
    socket.on("data", () =>
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"),
    );
    socket.on("error", () => {});
    socket.on("close", () => Atomics.sub(open, OPEN, 1));
  };
  const server = createServer({ noDelay: true }, serve);
  parentPort?.on("message", (message: Socket | "leave") => {
    if (message === "leave") return void server.close();
    serve(message);
    message.resume();
  });
  if (port === undefined) parentPort?.postMessage(0);
  else {
    server.listen({ port, host: "127.0.0.1", reusePort: true, backlog: 4_096 }, () => {
      parentPort?.postMessage((server.address() as AddressInfo).port);
    });
  }
}
