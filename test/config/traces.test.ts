import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseConfig } from "../../host/config/parse.ts";
import { complaints, MINIMAL, parse } from "./file.ts";

const text = (lines: string): string => `${MINIMAL}${lines}`;

test("a collector alone is enough; a URL without a path gets the one that OTLP has", () => {
  expect(parse(text('traces: { otlp: "http://127.0.0.1:4318" }')).traces).toEqual({
    otlp: "http://127.0.0.1:4318/v1/traces",
    sample: 1,
    serviceName: "sluice",
    headers: [],
    batch: { spansMax: 512, delayMs: 5_000, queueMax: 4_096, exportMs: 10_000 },
  });
  expect(parse(text('traces: { otlp: "https://c.example/", sample: "0.25%" }')).traces).toMatchObject({
    otlp: "https://c.example/v1/traces",
    sample: 0.25,
  });
  expect(parse(text('traces: { otlp: "https://c.example/own?key=1" }')).traces?.otlp).toBe(
    "https://c.example/own?key=1",
  );
});

test.each([
  ["traces: {}", "traces.otlp: expected a URL like http://127.0.0.1:4318"],
  ['traces: { otlp: "grpc://127.0.0.1:4317" }', "traces.otlp: expected a URL like"],
  ['traces: { otlp: "http://user:word@127.0.0.1" }', "traces.otlp: expected a URL like"],
  ['traces: { otlp: "http://127.0.0.1/#" }', "traces.otlp: expected a URL like"],
  ['traces: { otlp: "http://c", sample: "101%" }', "traces.sample: expected a share from 0% to 100%"],
  ['traces: { otlp: "http://c", sample: 1 }', "traces.sample: expected a share from 0% to 100%"],
  [
    'traces: { otlp: "http://c", rate: 1 }',
    "traces.rate: expected otlp, sample, headers, service-name or batch",
  ],
  [
    'traces: { otlp: "http://c", batch: { queue: 1 } }',
    "traces.batch.queue: expected a whole number from 16",
  ],
  ['traces: { otlp: "http://c", service-name: "" }', "traces.service-name: expected a name"],
  [
    'traces: { otlp: "http://c", headers: { Host: a } }',
    "traces.headers.Host: expected the name of a header",
  ],
  [
    'traces: { otlp: "http://c", headers: { content-type: a } }',
    "traces.headers.content-type: expected the name of a header",
  ],
  [
    'secrets: { token: { env: PATH } }\ntraces: { otlp: "http://c", headers: { authorization: tokn } }',
    'traces.headers.authorization: expected the name of a secret, got "tokn" (did you mean token?)',
  ],
])("%s is refused at its place", (lines, sentence) => {
  const found = complaints(text(lines), { PATH: "/bin" });
  expect(
    found.filter((line) => line.includes(sentence)),
    found.join("\n"),
  ).toHaveLength(1);
  expect(found.join(), "a password is told").not.toContain("word@");
});

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-config-"));
  writeFileSync(join(folder, "lines"), "Bearer a\nX-Other: b\n");
});

afterAll(() => rmSync(folder, { recursive: true }));

test("a secret that no header field can have is refused where it is named, and not told", () => {
  const file = text(
    'secrets: { token: { file: lines } }\ntraces: { otlp: "http://c", headers: { authorization: token } }',
  );
  expect(() => parseConfig(file, join(folder, "sluice.yaml"), {})).toThrow(
    /traces\.headers\.authorization: expected a secret that a header field can have, got other bytes$/,
  );
});
