/** `sluice record`, against a host that is a process of its own. */
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readRecordFile } from "../../host/record/record-reader.ts";
import { waitFor } from "../support/waiting.ts";
import { sluice, startSluice } from "./command.ts";
import { RunningHost } from "./running-host.ts";

test("a recording is written as it comes, for its owner alone, and can be played again", async () => {
  await using host = await RunningHost.start((_, answer) => answer.end("hello"));
  const state = { over: false };
  const words = ["record", "marks", "--max", "3", "--for", "20s", "--headers", "X-Kept", "-o", "marks.jsonl"];
  const recording = sluice(words, { cwd: host.folder }).finally(() => {
    state.over = true;
  });
  while (!state.over) {
    const answer = await fetch(`${host.url}/orders?token=sentinel`, {
      headers: { "x-kept": "this", "x-other": "sentinel", cookie: "a=sentinel" },
    });
    expect(await answer.text()).toBe("hello");
  }
  expect(await recording).toEqual({
    code: 0,
    stdout: "",
    stderr: "3 exchanges recorded in marks.jsonl (ended: exchanges)\n",
  });
  const file = join(host.folder, "marks.jsonl");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const text = readFileSync(file, "utf8");
  expect(readRecordFile(text)).toMatchObject({ count: 3, header: { filter: "marks", headers: ["x-kept"] } });
  expect(text).not.toContain("sentinel");
  expect(text).toContain('"x-kept","this"');

  const replayed = await sluice(["replay", "marks.jsonl", "--filter", "marks.wasm"], { cwd: host.folder });
  expect([replayed.code, replayed.stdout]).toEqual([0, expect.stringContaining("3 the same, 0 different")]);

  const child = startSluice(["record", "marks", "-o", "cut.jsonl"], { cwd: host.folder });
  await waitFor("the first line", () => existsSync(join(host.folder, "cut.jsonl")));
  child.kill("SIGINT");
  expect(await once(child, "close")).toEqual([0, null]);
  expect(readRecordFile(readFileSync(join(host.folder, "cut.jsonl"), "utf8"))).toMatchObject({ count: 0 });

  const refused = await sluice(["record", "marks", "--headers", "x-a, Cookie"], { cwd: host.folder });
  expect(refused).toEqual({
    code: 1,
    stdout: "",
    stderr: "sluice: --headers names cookie, which is never recorded: it says who or where somebody is.\n",
  });
});
