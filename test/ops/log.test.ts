import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  createReadStream,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createLog, LOG_BYTES_MAX } from "../../host/ops/log.ts";

test("the main thread's lines and the workers' are whole lines of one file, in the order of writing", async () => {
  const file = path.join(directory(), "log");
  const log = createLog({ level: "info", destination: file });
  log.logger.info({ address: "127.0.0.1:8080" }, "listening");
  log.writeBatch('{"msg":"one"}\n{"msg":"two"}\n');
  log.logger.debug("below the level");
  log.logger.error("three");
  await log.flush();

  const lines = readFileSync(file, "utf8").split("\n");
  expect(lines.pop()).toBe("");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { level: 30, time: expect.any(Number), pid: process.pid, address: "127.0.0.1:8080", msg: "listening" },
    { msg: "one" },
    { msg: "two" },
    { level: 50, time: expect.any(Number), pid: process.pid, msg: "three" },
  ]);
  expect(log.dropped).toBe(0);
});

test("a reader that stops reading costs lines, each of them counted, and no waiting", async () => {
  const { fd, fifo } = pipe();
  const log = createLog({ level: "info", destination: fd });
  const batch = `${"x".repeat(1_023)}\n`.repeat(64);
  const batches = Math.ceil((LOG_BYTES_MAX * 1.5) / batch.length);
  // All in one turn of the event loop: nobody can have read in between.
  for (let count = 0; count < batches; count += 1) log.writeBatch(batch);

  const kept = Math.floor(LOG_BYTES_MAX / batch.length) * batch.length;
  expect(log.dropped * 1_024).toBe(batches * batch.length - kept);

  let received = "";
  for await (const chunk of createReadStream(fifo, { encoding: "latin1" })) {
    received += chunk;
    if (received.length >= kept) break;
  }
  await log.flush();
  expect(received.length).toBe(kept);
  expect(new Set(received.split("\n")), "a line was torn").toEqual(new Set(["x".repeat(1_023), ""]));
});

test("a reader that has gone does not end the process, and later lines count as dropped", async () => {
  const { fd, readEnd } = pipe();
  closeSync(readEnd);
  const log = createLog({ level: "info", destination: fd });
  log.writeBatch('{"msg":"one"}\n');
  await log.flush();
  log.writeBatch('{"msg":"two"}\n{"msg":"three"}\n');
  log.logger.info("four");
  await log.flush();
  expect(log.dropped).toBe(3);
});

describe("a file", () => {
  test("that was moved away is opened anew, and every line is in one of the two", async () => {
    const file = path.join(directory(), "log");
    const log = createLog({ level: "info", file });
    const line = `${"x".repeat(1_023)}\n`;
    for (let count = 0; count < 200; count++) log.writeBatch(line);
    renameSync(file, `${file}.1`);
    log.writeBatch('{"msg":"before"}\n');
    log.reopen();
    log.writeBatch('{"msg":"after"}\n');
    await log.flush();
    expect(readFileSync(`${file}.1`, "utf8")).toBe(`${line.repeat(200)}{"msg":"before"}\n`);
    expect(readFileSync(file, "utf8")).toBe('{"msg":"after"}\n');
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(log.dropped).toBe(0);
  });

  test("that cannot be opened ends nothing: lines go on where they were", async () => {
    const folder = directory();
    const file = path.join(folder, "log");
    const log = createLog({ level: "info", destination: path.join(folder, "base"), file });
    expect(() => log.use(path.join(folder, "missing", "log"))).toThrow("ENOENT");
    log.logger.info("one");
    log.use(null);
    log.logger.info("two");
    log.use(file);
    log.logger.info("three");
    await log.flush();
    const messages = (name: string): unknown[] =>
      readFileSync(path.join(folder, name), "utf8")
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { readonly msg: string }).msg);
    expect([messages("log"), messages("base")]).toEqual([["one", "three"], ["two"]]);
    expect(() => createLog({ level: "info", file: path.join(folder, "missing", "log") })).toThrow("ENOENT");
  });

  test("that is a pipe nobody reads costs lines and holds nothing, not even the end of the process", async () => {
    const { fifo } = pipe();
    const log = createLog({ level: "info", file: fifo });
    const batch = `${"x".repeat(1_023)}\n`.repeat(1_024);
    for (let count = 0; count < 20; count++) log.writeBatch(batch);
    expect(log.dropped).toBe(12 * 1_024);
    log.abandon();
  });
});

test.skipIf(process.platform !== "linux")(
  "a full disk does not end the process, and lines beyond the bound are dropped",
  async () => {
    const log = createLog({ level: "info", destination: "/dev/full" });
    log.logger.info("one");
    await log.flush();
    log.logger.info("two");
    await log.flush();
    const line = `${"x".repeat(65_535)}\n`;
    for (let bytes = 0; bytes < LOG_BYTES_MAX; bytes += line.length) log.writeBatch(line);
    expect(log.dropped).toBe(1);
  },
);

function directory(): string {
  const made = mkdtempSync(path.join(tmpdir(), "sluice-log-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A pipe whose ends both belong to the test. Non-blocking, because opening one end waits for the other otherwise. */
function pipe(): { fd: number; readEnd: number; fifo: string } {
  const fifo = path.join(directory(), "fifo");
  execFileSync("mkfifo", [fifo]);
  const readEnd = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  return { fd, readEnd, fifo };
}
