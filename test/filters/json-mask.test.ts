/** The filter json-mask in a proxy: bodies as upstreams send them. */
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, type ConfigParts } from "../support/test-host.ts";
import { type Answer, ok } from "../support/upstream.ts";
import { BrokenOff } from "../support/wire.ts";

const stage = makeStage();

const CONFIG = { remove: ["**.password", "items.*.note"] };
const JSON_TYPE = "Content-Type: application/json";

function masked(config: object = CONFIG): ConfigParts {
  return {
    filters: { mask: { component: component("json_mask"), config, grant: { secrets: [] } } },
    routes: [{ upstream: "main", filters: ["mask"] }],
  };
}

/** A body that is sent in these pieces, each of which is on its way before the next one. */
function chunked(pieces: readonly string[], ending = "0\r\n\r\n"): Answer {
  return async ({ socket }) => {
    const send = (text: string): Promise<void> =>
      new Promise((resolve) => {
        socket.write(text, () => resolve());
      });
    await send(`HTTP/1.1 200 OK\r\n${JSON_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    for (const piece of pieces) await send(`${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`);
    if (ending === "") socket.resetAndDestroy();
    else await send(ending);
  };
}

describe("a JSON body", () => {
  const document = '{"user":{"name":"alice","pa\\u0073sword":"x"},"items":[{"id":1,"note":"y"}], "n":1}';
  const expected = '{"user":{"name":"alice"},"items":[{"id":1}], "n":1}';

  test.each([1, 7, 1_000])("is masked when it comes %i bytes at a time", async (length) => {
    const pieces = document.match(new RegExp(`[^]{1,${length}}`, "g")) ?? [];
    const { host } = await stage.path(chunked(pieces), masked());
    const client = await stage.connect(host);
    for (let round = 0; round < 2; round += 1)
      expect((await client.ask(request("/"))).body.toString()).toBe(expected);
  });

  test("has the length that it has afterwards, and no validator of what it was", async () => {
    const { host, upstream } = await stage.path(
      () => ok(document, [JSON_TYPE, 'ETag: "v1"', "Accept-Ranges: bytes"]),
      masked(),
    );
    const response = await (await stage.connect(host)).ask(
      request("/", ["Range: bytes=0-9", "Accept-Encoding: gzip"]),
    );
    expect(response.body.toString()).toBe(expected);
    expect(response.head.one("etag")).toBe('W/"v1"');
    expect(response.head.one("accept-ranges")).toBeUndefined();
    expect(upstream.only.head.one("range")).toBeUndefined();
    expect(upstream.only.head.one("accept-encoding")).toBe("identity");
  });

  test("may be long: all of it passes in order", async () => {
    const items = Array.from({ length: 40_000 }, (_, id) => ({
      id,
      note: "secret",
      text: "abc ".repeat(id % 20),
    }));
    const { host } = await stage.path(() => ok(JSON.stringify({ items }), [JSON_TYPE]), masked());
    const { body } = await (await stage.connect(host)).ask(request("/"));
    expect(JSON.parse(body.toString())).toEqual({ items: items.map(({ id, text }) => ({ id, text })) });
  });
});

test("bodies of other types pass byte for byte", async () => {
  const { host } = await stage.path(() => ok('{"password":1}', ["Content-Type: text/plain"]), masked());
  const { body } = await (await stage.connect(host)).ask(request("/"));
  expect(body.toString()).toBe('{"password":1}');
});

test("a compressed body is no answer", async () => {
  const body = gzipSync('{"password":1}').toString("latin1");
  const { host } = await stage.path(() => ok(body, [JSON_TYPE, "Content-Encoding: gzip"]), masked());
  const response = await (await stage.connect(host)).ask(request("/"));
  expect([response.status, response.body.toString()]).toEqual([502, ""]);
});

describe("a body that is no JSON", () => {
  const pieces = ['{"a":1,"password":"x",', '"b":2} and more'];

  test("breaks off", async () => {
    const { host } = await stage.path(chunked(pieces), masked());
    await expect((await stage.connect(host)).ask(request("/"))).rejects.toBeInstanceOf(BrokenOff);
    await host.lines("the body", ({ msg }) => msg.includes("a body that says it is JSON is not"));
  });

  test("goes on as it is where the operator says so", async () => {
    const { host } = await stage.path(chunked(pieces), masked({ ...CONFIG, "on-invalid": "pass" }));
    const { body } = await (await stage.connect(host)).ask(request("/"));
    expect(body.toString()).toBe('{"a":1,"b":2} and more');
  });
});
