/** What programs of Rust's standard library do, by the host's own path and by jco's: it works, or fails as on a machine with nothing. */
import { ClientAddress } from "../../host/client-address.ts";
import { NO_SENDER } from "../support/no-http.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ArtifactStore } from "../../host/filter/artifact.ts";
import { component } from "../support/test-host.ts";
import { type Account, type Story, temporaryStore, Twins } from "./twin.ts";

let store: ArtifactStore;
let close: () => Promise<void>;
let twins: Twins;

beforeAll(async () => {
  ({ store, close } = temporaryStore());
  twins = await Twins.load(store, component("standard"));
});

afterAll(() => close());

const STORY: Story = {
  method: "GET",
  scheme: "http",
  authority: "a.test",
  path: "/",
  fields: [],
  status: 200,
  responseFields: [],
  facts: {
    requestId: "id-1",
    route: "main",
    protocol: "HTTP/1.1",
    tlsVersion: undefined,
    clientAddress: new ClientAddress("::1"),
    http: NO_SENDER,
  },
  outcome: { ending: "complete", status: 200, durationUs: 1, requestBytes: 0, responseBytes: 0 },
};

/** What came of these acts, once both ways have been found to tell the same. */
function agreed(...acts: unknown[]): Account {
  const { direct, reference } = twins.pair(JSON.stringify({ acts }));
  const seen = direct.run(STORY);
  expect(seen).toEqual(reference.run(STORY));
  return seen;
}

function did(...acts: unknown[]): string[] {
  return agreed(...acts)
    .request.fields.filter((_, index) => index % 2 === 1)
    .map((value) => Buffer.from(value, "latin1").toString());
}

test("it takes the host's own path", () => {
  expect(twins.artifact.direct).toBe(true);
});

test("maps, time, the environment and arguments just work", () => {
  expect(
    did(
      "map",
      "instant",
      { "system-time": 1_767_225_600 },
      { variable: "REGION" },
      { variable: "HOME" },
      "arguments",
    ),
  ).toEqual(["100 Some(42)", "0ns 4999950000", "true", 'Some("eu é")', "None", "0"]);
});

test("standard output and error go to the log", () => {
  expect(agreed({ print: "a é" }, { print: "b" }).log).toEqual(
    ["a é", "error: a é", "b", "error: b"].map((line) => JSON.stringify(["info", "id-1", line, []])),
  );
});

test("there is no file, no directory, no input and no thread", () => {
  expect(
    did(
      { "read-file": "/etc/passwd" },
      { "read-file": "relative" },
      { "read-file": "" },
      { "write-file": "/tmp/a" },
      { "read-directory": "/" },
      { "read-directory": "." },
      { exists: "/" },
      "read-input",
      "spawn",
    ),
  ).toEqual([
    "NotFound",
    "NotFound",
    "NotFound",
    "NotFound",
    "NotFound",
    "NotFound",
    "false",
    "ok",
    "Unsupported",
  ]);
});

describe("what would wait or end the process", () => {
  test("a sleep of nothing is over at once", () => {
    expect(did({ sleep: 0 })).toEqual(["slept"]);
  });

  test.each([
    ["a longer one", { sleep: 1 }, "the filter would wait, as for a sleep: nothing waits within a call"],
    ["an exit", "exit", "the filter called exit"],
  ])("%s traps with a sentence", (_, act, sentence) => {
    const { calls } = agreed(act);
    expect(calls.at(-1)).toEqual(["on-request", "trap: "]);
    // The words are the host's own, and so in the log whichever way it was called.
    for (const way of ["direct", "reference"] as const) {
      const twin = twins.pair(JSON.stringify({ acts: [act] }))[way];
      twin.run(STORY);
      expect(twin.failure, way).toBe(sentence);
    }
  });
});
