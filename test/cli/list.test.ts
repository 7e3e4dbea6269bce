import { afterEach, beforeEach, expect, test } from "vitest";
import type { ArtifactView, RefusedRequest, WorkerView } from "../../host/control/control.ts";
import { GENERATIONS, NEW_DIGEST, OLD_DIGEST, ScriptedHost } from "./scripted-host.ts";

let host: ScriptedHost;

beforeEach(async () => {
  host = await ScriptedHost.start();
});

afterEach(() => host[Symbol.asyncDispose]());

const ago = (seconds: number): number => Date.now() - seconds * 1_000 - 300;

test("the history says who made each generation, when and what, and which still has exchanges", async () => {
  const { code, stdout } = await host.run("history");

  expect(code).toBe(0);
  const lines = stdout.replaceAll(/ \d+ s {2}/g, "  ").split("\n");
  expect(lines[0]).toMatch(/^GENERATION {2}STATE {7}AGE {2,}BY {4}WHAT$/);
  expect(lines[1]).toMatch(
    /^ {9}4 {2}live {8}3 min +ci {4}filters\.keys\.config has changed; routes\[1\] is new$/,
  );
  expect(lines[2]).toMatch(/^ {9}3 {2}draining 7 {2}2 h +file {2}limits\.exchanges has changed$/);
  expect(JSON.parse((await host.run("history", "--json")).stdout)).toEqual(GENERATIONS);
});

test("artifacts are told with their size, their users and the generations that name them", async () => {
  const found: ArtifactView[] = [
    { digest: OLD_DIGEST, bytes: 1_363_149, usedAt: ago(60), filters: ["keys"], generations: [1, 2, 3, 7] },
    { digest: NEW_DIGEST, bytes: 900, usedAt: ago(86_400), filters: [], generations: [] },
  ];
  host.answer("GET /v1/artifacts", found);

  const { stdout } = await host.run("artifacts");

  expect(stdout).toMatch(/^000000000000 {2}1\.3 MiB {2}1 min( \d s)? ago +keys +1–3, 7$/m);
  expect(stdout).toMatch(/^111111111111 {4}900 B {2}1 d ago +– +–$/m);
  expect(JSON.parse((await host.run("artifacts", "--json")).stdout)).toEqual(found);
});

test("artifacts that are removed are named", async () => {
  host.answer("POST /v1/artifacts/collect", { removed: [NEW_DIGEST] });

  expect((await host.run("artifacts", "--collect")).stdout).toBe(`${NEW_DIGEST}\n1 artifact removed\n`);
  host.answer("POST /v1/artifacts/collect", { removed: [] });
  expect((await host.run("artifacts", "--collect")).stdout).toBe("0 artifacts removed\n");
});

test("workers are told with what they do", async () => {
  const found: WorkerView[] = [
    { id: 1, state: "serving", generation: 4, connections: 12, exchanges: 3, instances: 5 },
    { id: 2, state: "starting", generation: 4, connections: 0, exchanges: 0, instances: 0 },
  ];
  host.answer("GET /v1/workers", found);

  expect((await host.run("workers")).stdout.split("\n")).toEqual([
    "WORKER  STATE     GENERATION  CONNECTIONS  EXCHANGES  INSTANCES",
    "     1  serving            4           12          3          5",
    "     2  starting           4            0          0          0",
    "",
  ]);
  expect(JSON.parse((await host.run("workers", "--json")).stdout)).toEqual(found);
});

test("refused requests are told with their code and the reason, made harmless", async () => {
  const detail = "a field's name holds\u001B[31m a space, at byte 31";
  const found: RefusedRequest[] = [{ at: ago(5), worker: 1, code: "MESSAGE_MALFORMED", status: 400, detail }];
  host.answer("GET /v1/refused", found);

  const { stdout } = await host.run("refused");

  expect(stdout).toMatch(
    /^\d s {7}1 {5}400 {2}MESSAGE_MALFORMED {2}a field's name holds\u{FFFD}\[31m a space, at byte 31$/mu,
  );
  expect(JSON.parse((await host.run("refused", "--json")).stdout)).toEqual(found);
});
