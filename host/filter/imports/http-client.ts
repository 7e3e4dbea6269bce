import { type GuestMemory, GuestTrap } from "../guest-memory.ts";
import type { HttpAnswer, HttpError, HttpIncoming, OwnRequest } from "../http-client.ts";
import type { Services } from "../services.ts";
import type { CoreImports } from "./core.ts";

/** The imports, by module, in which a call may wait (JSPI): a call that reaches one has to have been begun as one that may. */
export const WAITING: ReadonlySet<string> = new Set(["sluice:filter/http-client@0.1.0"]);

/** `http-client`, lowered by hand. To the guest `send` is a call that takes a while. */
export function coreHttp(memory: () => GuestMemory, services: Services): CoreImports {
  const send = (...args: SendArguments): undefined | Promise<undefined> => {
    const out = args[11] as number;
    const answer = services.send(loadRequest(memory(), args));
    if (answer instanceof Promise) return answer.then((late) => storeAnswer(memory(), late, out));
    return storeAnswer(memory(), answer, out);
  };
  return {
    "sluice:filter/http-client@0.1.0": {
      // What is no function can be no import, but this class makes imports (JSPI).
      send: new WebAssembly.Suspending(send) as never,
    },
  };
}

/** An `http-client.outgoing`, flattened: five pairs of place and length, `timeout-ms`, and the place for the result. */
type SendArguments = number[];

function loadRequest(guest: GuestMemory, args: SendArguments): OwnRequest {
  const [
    upstream,
    upstreamLength,
    method,
    methodLength,
    path,
    pathLength,
    list,
    count,
    body,
    bodyLength,
    ms,
  ] = args as [number, number, number, number, number, number, number, number, number, number, number];
  return {
    upstream: guest.utf8(upstream, upstreamLength),
    method: guest.latin1(method, methodLength),
    path: guest.latin1(path, pathLength),
    fields: loadFields(guest, list >>> 0, count >>> 0),
    body: guest.copy(body, bodyLength),
    timeoutMs: ms >>> 0,
  };
}

/** list<tuple<string, list<u8>>>: 16 bytes an element. */
function loadFields(guest: GuestMemory, list: number, count: number): string[] {
  // Before anything is copied: a made-up length must not make the host build a list of it.
  if (list + count * 16 > guest.size) throw new GuestTrap("a list lies outside of the memory");
  const view = guest.view;
  const fields: string[] = [];
  for (let at = list; at < list + count * 16; at += 8)
    fields.push(guest.latin1(view.getUint32(at, true), view.getUint32(at + 4, true)));
  return fields;
}

/** result<incoming, error>: both payloads are 4-aligned. */
function storeAnswer(guest: GuestMemory, answer: HttpAnswer, out: number): undefined {
  const at = out >>> 0;
  if (answer.tag === "err") return storeError(guest, answer.val, at);
  const { status, fields, body } = answer.val;
  guest.view.setUint8(at, 0);
  guest.view.setUint16(at + 4, status, true);
  guest.storeFields(fields, at + 8);
  guest.storeBytes(body, at + 16);
}

function storeError(guest: GuestMemory, error: HttpError, at: number): undefined {
  guest.view.setUint8(at, 1);
  guest.view.setUint8(at + 4, ERRORS.indexOf(error.tag));
  if ("val" in error) guest.storeUtf8(error.val, at + 8);
}

/** WIT `http-client.error`, in the order of its cases. */
const ERRORS: readonly HttpError["tag"][] = [
  "not-granted",
  "invalid",
  "busy",
  "unreachable",
  "timed-out",
  "too-large",
  "cancelled",
  "other",
];

/** As jco hands it over. */
interface JcoOutgoing {
  readonly upstream: string;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: Uint8Array])[];
  readonly body: Uint8Array;
  readonly timeoutMs: number;
}

interface JcoIncoming {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: Uint8Array])[];
  readonly body: Uint8Array;
}

/** `http-client`, as jco's linking takes it: what it throws with a `payload` is the result's error. */
export function referenceHttp(services: Services): Record<string, Record<string, unknown>> {
  return {
    "sluice:filter/http-client": {
      send: async ({ headers, body, ...outgoing }: JcoOutgoing): Promise<JcoIncoming> => {
        const fields = headers.flatMap(([name, value]) => [name, Buffer.from(value).toString("latin1")]);
        const answer = await services.send({ ...outgoing, fields, body: body.slice() });
        if (answer.tag === "err") throw new RefusedRequest(answer.val);
        return incoming(answer.val);
      },
    },
  };
}

function incoming({ status, fields, body }: HttpIncoming): JcoIncoming {
  const headers: [string, Uint8Array][] = [];
  for (let at = 0; at < fields.length; at += 2)
    headers.push([fields[at] as string, Buffer.from(fields[at + 1] as string, "latin1")]);
  return { status, headers, body };
}

class RefusedRequest extends Error {
  readonly payload: HttpError;

  constructor(payload: HttpError) {
    super(payload.tag);
    this.payload = payload;
  }
}
