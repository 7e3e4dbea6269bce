import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Admin } from "../../host/control/admin.ts";
import { LiveFeed } from "../../host/control/live-feed.ts";
import type { LiveView } from "../../host/control/live-view.ts";
import { type Document, patchBetween } from "../../host/control/merge-patch.ts";
import { applyPatch } from "../../dashboard/apply-patch.ts";
import { eventsOf, type StreamEvent } from "../../dashboard/event-stream.ts";
import { waitFor, within } from "../support/waiting.ts";
import { ask, bearer, Desk, exchange, TOKENS, targetOf, WORDS } from "./desk.ts";

let desk: Desk;
let streams: Stream[];

beforeEach(() => {
  desk = new Desk();
  streams = [];
});

afterEach(async () => {
  vi.useRealTimers();
  for (const stream of streams) stream.close();
  await desk.close();
});

/** One who looks on. */
class Stream {
  readonly status: number;
  readonly #response: IncomingMessage;
  readonly #events: AsyncGenerator<StreamEvent>;

  constructor(response: IncomingMessage) {
    this.status = response.statusCode ?? 0;
    this.#response = response;
    this.#events = eventsOf(ReadableStream.from(response) as ReadableStream<Uint8Array>);
  }

  static async open(admin: Admin, headers: Record<string, string> = {}): Promise<Stream> {
    const asked = request({ ...targetOf(admin), path: "/v1/live", headers, agent: false } as object);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    asked.once("response", resolve).once("error", reject).end();
    const stream = new Stream(await within("an answer", promise));
    streams.push(stream);
    return stream;
  }

  /** The next event; undefined at the end. */
  async next(): Promise<StreamEvent | undefined> {
    const { value, done } = await within("an event", this.#events.next());
    return done === true ? undefined : value;
  }

  close(): void {
    this.#response.destroy();
  }
}

describe("the events", () => {
  test("begin with the whole, and patches lead from each to the next", async () => {
    const stream = await Stream.open(await desk.start());
    const first = await stream.next();
    expect(first?.type).toBe("whole");
    const whole = JSON.parse(first?.data ?? "") as LiveView;
    expect(whole).toMatchObject({ generation: 1, ready: true, filters: { keys: { quarantined: 0 } } });
    expect(whole.upstreams["echo"]).toHaveProperty(["http://127.0.0.1:9000", "drained"], false);

    await desk.control.drainServer("echo", "http://127.0.0.1:9000", true, { by: "a test" });

    let view: unknown = whole;
    await waitFor("the change", async () => {
      const event = await stream.next();
      expect(event?.type).toBe("patch");
      view = applyPatch(view, JSON.parse(event?.data ?? ""));
      return (view as LiveView).generation === 2;
    });
    expect((view as LiveView).upstreams["echo"]).toHaveProperty(["http://127.0.0.1:9000", "drained"], true);
    expect((view as LiveView).filters, "what has not changed is lost").toEqual(whole.filters);
  });

  test("are computed once for all who look on, and not at all for nobody", async () => {
    vi.useFakeTimers();
    let looks = 0;
    const counts = desk.control.counts.bind(desk.control);
    desk.control.counts = () => {
      looks += 1;
      return counts();
    };
    const feed = new LiveFeed(desk.control);
    const readers = [1, 2, 3].map(() => feed.open(() => {}).getReader());
    await vi.advanceTimersByTimeAsync(5_000);
    expect(looks).toBe(6);
    for (const reader of readers) {
      const { value } = await reader.read();
      expect(String(Buffer.from(value ?? []))).toMatch(/^event: whole\ndata: \{.*\}\n\n$/);
      await reader.cancel();
    }
    await vi.advanceTimersByTimeAsync(5_000);
    expect(looks, "it looks on for nobody").toBe(6);
  });

  test("go on when the host could not be asked for a while", async () => {
    vi.useFakeTimers();
    const feed = new LiveFeed(desk.control);
    desk.control.failure = new Error("not yet");
    const reader = feed.open(() => {}).getReader();
    const next = async (): Promise<string> => Buffer.from((await reader.read()).value ?? []).toString();
    expect(await next(), "a sign of life").toBe(":\n\n");
    desk.control.failure = undefined;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await next()).toMatch(/^event: whole/);
    feed.close();
  });

  test("end when the admin API closes, at once", async () => {
    const admin = await desk.start();
    const stream = await Stream.open(admin);
    await stream.next();
    const closing = admin.close();
    let event = await stream.next();
    while (event !== undefined) event = await stream.next();
    const began = performance.now();
    await within("the close", closing);
    expect(performance.now() - began, "it has waited until connections were cut").toBeLessThan(1_500);
  });

  test("are for at most 16, and one who goes makes room for another", async () => {
    const admin = await desk.start();
    const all = await Promise.all(Array.from({ length: 16 }, () => Stream.open(admin)));
    expect(all.map(({ status }) => status)).toEqual(new Array(16).fill(200));
    const refused = await ask(admin, "GET /v1/live");
    expect(JSON.parse(refused.body)).toMatchObject({ status: 503, code: "LIVE_REFUSED" });

    all[0]?.close();
    await waitFor("room", async () => (await ask(admin, "GET /v1/live")).status === 200);
  });

  test("who does not read them is cut off, and the others are told on", async () => {
    const admin = await desk.start();
    // More than the buffers of a socket hold, in each event.
    let round = 0;
    const status = desk.control.status.bind(desk.control);
    desk.control.status = () => {
      round += 1;
      return { ...status(), listen: [`${round} ${"x".repeat(2_000_000)}`] };
    };
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const deaf = connect(targetOf(admin));
    let isClosed = false;
    deaf.once("close", () => (isClosed = true)).on("error", () => {});
    deaf.write("GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    deaf.pause();
    const stream = await Stream.open(admin);
    expect((await stream.next())?.type).toBe("whole");
    for (let second = 0; second < 20; second++) {
      await vi.advanceTimersByTimeAsync(1_000);
      expect((await stream.next())?.type).toBe("patch");
    }
    // Only who reads sees the end of a connection.
    deaf.resume();
    await waitFor("the end of who did not read", () => isClosed);
  });

  test("are not for other web pages, and HEAD opens none", async () => {
    const admin = await desk.start();
    const foreign = await ask(admin, "GET /v1/live", { fields: ["Sec-Fetch-Site: cross-site"] });
    expect(JSON.parse(foreign.body)).toMatchObject({ status: 403, code: "ORIGIN_REFUSED" });
    for (let asked = 0; asked < 20; asked++)
      expect((await exchange(admin, "HEAD /v1/live HTTP/1.1\nHost: localhost")).status).toBe(200);
    expect((await ask(admin, "GET /v1/live")).status).toBe(200);
  });

  test("are for who has a token, where they are asked for", async () => {
    const admin = await desk.start("127.0.0.1:0", { tokens: TOKENS });
    expect((await ask(admin, "GET /v1/live")).status).toBe(401);
    const stream = await Stream.open(admin, { authorization: `Bearer ${WORDS.read}` });
    expect((await stream.next())?.type).toBe("whole");
  });
});

test("who asks is told their name and role", async () => {
  const open = await desk.start();
  expect(JSON.parse((await ask(open, "GET /v1/whoami")).body)).toEqual({ name: "local", role: "admin" });
  const admin = await desk.start("127.0.0.1:0", { tokens: TOKENS });
  const reply = await ask(admin, "GET /v1/whoami", { fields: [bearer(WORDS.swap)] });
  expect(JSON.parse(reply.body)).toEqual({ name: "the-swap", role: "swap" });
});

test("the file's text is for admins alone", async () => {
  const admin = await desk.start("127.0.0.1:0", { tokens: TOKENS });
  const text = (word: string) => ask(admin, "GET /v1/config/text", { fields: [bearer(word)] });
  expect((await text(WORDS.swap)).status).toBe(403);
  expect(JSON.parse((await text(WORDS.admin)).body)).toEqual({ text: desk.control.file });
});

describe("the page", () => {
  test("is given to whoever asks, as it says nothing of the host, and only as what it is", async () => {
    const admin = await desk.start("127.0.0.1:0", { tokens: TOKENS });
    const page = await ask(admin, "GET /");
    expect(page.status).toBe(200);
    expect(page.head).toMatch(/content-type: text\/html/i);
    expect(page.head).toMatch(
      /content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r/i,
    );
    for (const [name, type] of [
      ["app.js", "text/javascript"],
      ["app.css", "text/css"],
      ["icon.svg", "image/svg"],
      ["licenses.txt", "text/plain"],
    ]) {
      const asset = await ask(admin, `GET /dashboard/${name}`);
      expect(asset.head).toContain(`content-type: ${type}`);
      expect(asset.head).toMatch(/x-content-type-options: nosniff/i);
    }
    expect((await ask(admin, "GET /dashboard/other")).status).toBe(404);
    expect((await ask(admin, "POST /", { body: {}, fields: [bearer(WORDS.admin)] })).status).toBe(405);
  });

  test("is not given under another name", async () => {
    expect((await exchange(await desk.start(), "GET / HTTP/1.1\nHost: evil.example")).status).toBe(403);
  });
});

test("a patch leads from any document to any other", () => {
  const document = fc.letrec<{ value: unknown; document: Document }>((tie) => ({
    value: fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(undefined),
      fc.array(fc.integer()),
      tie("document"),
    ),
    document: fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("value"), { noNullPrototype: true }),
  })).document;
  const told = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
  fc.assert(
    fc.property(document, document, (before, after) => {
      const patch = patchBetween(before, after);
      expect(applyPatch(told(before), patch === undefined ? {} : told(patch))).toEqual(told(after));
      expect(patchBetween(before, structuredClone(before)), "nothing is different").toBeUndefined();
    }),
  );
});
