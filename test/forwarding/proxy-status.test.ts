/** What RFC 9209 asks of an intermediary's own answers. */
import { type Item, parseList, Token } from "structured-headers";
import { afterEach, describe, expect, test } from "vitest";
import { FAILURES, type FailureCode, PROXY_STATUS } from "../../host/failure.ts";
import { request } from "../support/raw-client.ts";
import { startHost, startProxy } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";

/** The types that RFC 9209 §2.3 registers. */
const REGISTERED =
  `dns_timeout dns_error destination_not_found destination_unavailable destination_ip_prohibited
  destination_ip_unroutable connection_refused connection_terminated connection_timeout connection_read_timeout
  connection_write_timeout connection_limit_reached tls_protocol_error tls_certificate_error tls_alert_received
  http_request_error http_request_denied http_response_incomplete http_response_header_section_size
  http_response_header_size http_response_body_size http_response_trailer_section_size
  http_response_trailer_size http_response_transfer_coding http_response_content_coding http_response_timeout
  http_upgrade_failed http_protocol_error proxy_internal_response proxy_internal_error
  proxy_configuration_error proxy_loop_detected`.split(/\s+/);

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

test.each(Object.keys(FAILURES) as FailureCode[])("%s has a type that is registered", (code) => {
  const { name, error, details } = parsed(PROXY_STATUS[code]);
  expect({ name, details }).toEqual({ name: "sluice", details: code });
  expect(REGISTERED).toContain(error);
  expect(error.startsWith("http_request_")).toBe(
    FAILURES[code].fault === "client" && !["ROUTE_NOT_FOUND", "LOOP_DETECTED"].includes(code),
  );
});

describe("an answer that this host makes itself says so, and why", () => {
  /** The answer to a request, of a host whose upstream answers so. */
  async function answer(sent: string, answered: Answer = () => ok("")): Promise<ReturnType<typeof parsed>> {
    const upstream = stack.use(await Upstream.start(answered));
    const host = stack.use(await startProxy(upstream));
    const client = stack.use(await host.connect());
    const { head } = await client.ask(sent);
    return parsed(head.one("proxy-status") ?? "");
  }

  test.each([
    ["no Host", "GET / HTTP/1.1\r\n\r\n", "MESSAGE_MALFORMED"],
    ["a path that is refused", request("/%00"), "MESSAGE_MALFORMED"],
    ["CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "METHOD_REFUSED"],
    ["TRACE that ends here", request("/", ["Max-Forwards: 0"], "TRACE"), "METHOD_REFUSED"],
    ["an expectation", request("/", ["Expect: 200-ok"]), "EXPECTATION_UNKNOWN"],
  ] as const)("a request that is refused: %s", async (_, sent, code) => {
    expect(await answer(sent)).toEqual({ name: "sluice", error: FAILURES[code].error, details: code });
  });

  test.each([
    ["no HTTP", "nonsense\r\n\r\n", "UPSTREAM_MALFORMED"],
    [
      "two lengths",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
      "UPSTREAM_MALFORMED",
    ],
  ] as const)("a server that answers %s", async (_, answered, code) => {
    expect(await answer(request("/"), () => answered)).toEqual({
      name: "sluice",
      error: FAILURES[code].error,
      details: code,
    });
  });

  test("a server that breaks off", async () => {
    const status = await answer(request("/", [], "POST"), ({ socket }) => void socket.destroy());
    expect(status).toMatchObject({ error: "connection_terminated", details: "UPSTREAM_BROKE_OFF" });
  });

  test("a server that is not there", async () => {
    const upstream = await Upstream.start();
    const { origin } = upstream;
    await upstream[Symbol.asyncDispose]();
    const host = stack.use(await startHost({ upstreams: { main: { servers: [origin] } } }));
    const client = stack.use(await host.connect());
    const { status, head } = await client.ask(request("/"));
    expect(status).toBe(502);
    expect(head.one("proxy-status")).toBe('sluice; error=connection_refused; details="UPSTREAM_UNREACHABLE"');
  });

  test("no route", async () => {
    const upstream = stack.use(await Upstream.start());
    const host = stack.use(
      await startHost({
        upstreams: { main: { servers: [upstream.origin] } },
        routes: [{ match: { path: "/only" }, upstream: "main" }],
      }),
    );
    const client = stack.use(await host.connect());
    const { head } = await client.ask(request("/other"));
    expect(parsed(head.one("proxy-status") ?? "")).toMatchObject({ error: "destination_not_found" });
  });

  test("an answer that is no failure has the name alone", async () => {
    expect(await answer("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")).toEqual({
      name: "sluice",
      error: "",
      details: "",
    });
  });
});

test("a response of the upstream gets none, and keeps its own", async () => {
  const upstream = stack.use(
    await Upstream.start(({ target }) => ok("", target === "/own" ? ["Proxy-Status: inner"] : [])),
  );
  const host = stack.use(await startProxy(upstream));
  const client = stack.use(await host.connect());
  expect((await client.ask(request("/"))).head.all("proxy-status")).toEqual([]);
  expect((await client.ask(request("/own"))).head.all("proxy-status")).toEqual(["inner"]);
});

/** The only member of a Proxy-Status. */
function parsed(value: string): { name: string; error: string; details: string } {
  const [member, ...more] = parseList(value) as Item[];
  if (member === undefined || more.length > 0) throw new Error(`expected one member, got ${value}`);
  const [name, parameters] = member;
  if (!(name instanceof Token)) throw new Error(`expected a token, got ${String(name)}`);
  return {
    name: name.toString(),
    error: String(parameters.get("error") ?? ""),
    details: String(parameters.get("details") ?? ""),
  };
}
