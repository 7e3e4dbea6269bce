/** Generations outlive the process that made them. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { component, RunningHost } from "../cli/running-host.ts";
import { AdminClient } from "../../host/control/admin-client.ts";

test("a host that comes back serves what was swapped in, from the store, and says how the file differs", async () => {
  await using host = await RunningHost.start((_, response) => response.end("hello"));
  const file = join(host.folder, "next.wasm");
  writeFileSync(file, component("next"));
  const { to } = await swap(host, file);
  // What it was swapped from need not be there any more.
  rmSync(file);
  await host.stop("SIGKILL");
  await host.again();
  const status = await host.status();
  expect(status.filters[0]).toMatchObject({ name: "marks", digest: to, component: file });
  expect([status.generation, status.file.differs]).toEqual([2, true]);
  const resumed = await host.line("resumed");
  expect(resumed["differences"]).toEqual([
    expect.stringMatching(/^filters\.marks\.component: .*next\.wasm$/),
  ]);
});

test("a file that has changed while nothing ran counts, as a new generation", async () => {
  await using host = await RunningHost.start((_, response) => response.end("hello"));
  const file = join(host.folder, "next.wasm");
  writeFileSync(file, component("next"));
  await swap(host, file);
  await host.stop();
  const path = join(host.folder, "sluice.yaml");
  const config = JSON.parse(readFileSync(path, "utf8")) as { routes: object[] };
  writeFileSync(path, JSON.stringify({ ...config, routes: [{ ...config.routes[0], name: "other" }] }));
  await host.again();
  const status = await host.status();
  expect(status).toMatchObject({ generation: 3, file: { differs: false } });
  expect(status.routes.map(({ name }) => name)).toEqual(["other"]);
  expect(status.filters[0]?.component).toBe(join(host.folder, "marks.wasm"));
});

test("a component that has changed while nothing ran is swapped in, and a broken one is not", async () => {
  await using host = await RunningHost.start((_, response) => response.end("hello"));
  const before = (await host.status()).filters[0]?.digest;
  await host.stop();
  writeFileSync(join(host.folder, "marks.wasm"), "broken");
  await host.again();
  expect((await host.line("swap refused: "))["filter"]).toBe("marks");
  expect((await host.status()).filters[0]?.digest, "what ran before does not serve").toBe(before);
  await host.stop();
  writeFileSync(join(host.folder, "marks.wasm"), component("newer"));
  await host.again();
  const swapped = await host.line("swapped");
  expect((await host.status()).filters[0]?.digest).toBe(swapped["to"]);
});

test("state that somebody has damaged is as good as none: the file counts", async () => {
  await using host = await RunningHost.start((_, response) => response.end("hello"));
  const file = join(host.folder, "next.wasm");
  writeFileSync(file, component("next"));
  await swap(host, file);
  await host.stop();
  const [state = ""] = readdirSync(join(host.folder, ".sluice", "state"));
  const folder = join(host.folder, ".sluice", "state", state);
  for (const name of readdirSync(folder)) writeFileSync(join(folder, name), "{");
  await host.again();
  expect((await host.status()).filters[0]?.component).toBe(join(host.folder, "marks.wasm"));
});

test("a generation that somebody has damaged is followed by no earlier one, and is forgotten with the next change", async () => {
  await using host = await RunningHost.start((_, response) => response.end("hello"));
  const file = join(host.folder, "next.wasm");
  for (const version of ["two", "three"]) {
    writeFileSync(file, component(version));
    await swap(host, file);
  }
  await host.stop();
  const [state = ""] = readdirSync(join(host.folder, ".sluice", "state"));
  const folder = join(host.folder, ".sluice", "state", state);
  const newest = readdirSync(folder).toSorted().at(-1) as string;
  writeFileSync(join(folder, newest), "{");
  await host.again();
  expect((await host.status()).filters[0]?.component).toBe(join(host.folder, "marks.wasm"));
  const { to } = await swap(host, file);
  await host.stop();
  await host.again();
  expect((await host.status()).filters[0]?.digest, "the damaged one still stands in the way").toBe(to);
});

test("a change that cannot be written down is refused, and what ran before serves on", async () => {
  await using host = await RunningHost.start((_, response) => response.end("hello"));
  const file = join(host.folder, "next.wasm");
  writeFileSync(file, component("next"));
  const before = (await host.status()).filters[0]?.digest;
  const [state = ""] = readdirSync(join(host.folder, ".sluice", "state"));
  const folder = join(host.folder, ".sluice", "state", state);
  rmSync(folder, { recursive: true });
  writeFileSync(folder, "a file where the folder was");
  await expect(swap(host, file)).rejects.toThrow(/the state in .* cannot be written \(EEXIST|ENOTDIR\)/);
  expect((await host.status()).filters[0]?.digest).toBe(before);
  rmSync(folder);
  mkdirSync(folder);
  expect((await swap(host, file)).generation).toBe(2);
});

test("SIGHUP reads the file again, and a broken one is told", async () => {
  await using host = await RunningHost.start((_, response) => response.end("hello"));
  host.signal("SIGHUP");
  expect(await host.line("configuration applied")).toMatchObject({ by: "signal", changes: [] });
});

async function swap(host: RunningHost, file: string): Promise<{ to: string; generation: number }> {
  const client = new AdminClient({ kind: "unix", path: join(host.folder, "admin.sock") });
  try {
    return await client.swap("marks", { component: file });
  } finally {
    await client.close();
  }
}
