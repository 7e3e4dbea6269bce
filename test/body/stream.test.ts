/** Bodies that a filter takes chunk by chunk. */
import { describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { chunked, echo, post, useChains, type Way } from "./chains.ts";

const both = (way: Way): { request: Way; response: Way } => ({ request: way, response: way });
const ACTS = ["pass", "raise", "wrap", "measure", "drop", "hold", "count"] as const;

const chains = useChains(
  {
    ...Object.fromEntries(ACTS.map((act) => [act, both({ take: "stream", act })])),
    a: both({ take: "stream", act: "wrap" }),
    b: both({ take: "stream", act: "wrap" }),
    obey: both({ take: "stream", act: "obey" }),
    trailers: both({ trailers: true }),
  },
  {
    ...Object.fromEntries(ACTS.map((act) => [act, [act]])),
    ab: ["a", "b"],
    "hold-wrap": ["hold", "a"],
    obey: ["obey"],
    trailers: ["trailers", "pass"],
  },
);

describe("what a filter decides about a chunk", () => {
  test.each([
    ["pass", "abcdef", "abcdef"],
    ["raise", "ABCDEF", "ABCDEF"],
    ["wrap", "<wrap:abcdef>", "<wrap:<wrap:abcdef>>"],
    ["measure", "6.", "2."],
    ["drop", "", ""],
    ["hold", "abcdef", "abcdef"],
    ["count", "6", "1"],
  ])("%s, of a body with a length", async (act, sent, answered) => {
    chains.answer = echo;
    const response = await chains.ask(request(`/${act}`, [], "POST", "abcdef"));
    expect((await chains.last.body()).body.toString()).toBe(sent);
    expect(response.body.toString()).toBe(act === "measure" ? `${sent.length}.` : answered);
  });
});

test("trailers pass filters in their order, behind the body", async () => {
  chains.answer = () => chunked(["abc", "def"], ["X-T: 1"]);
  const response = await chains.ask(post("/trailers", ["ab", "c"], ["X-T: 1"]));
  expect(await chains.last.body()).toMatchObject({});
  expect(response.trailers).toEqual([
    ["X-T", "1"],
    ["x-trailer-trailers", "1"],
  ]);
  expect((await chains.last.body()).trailers).toEqual([
    ["X-T", "1"],
    ["x-trailer-trailers", "1"],
  ]);
});
