import * as z from "zod";
import type { StoreConfig } from "./config.ts";
import { STORE_SIZE } from "./service-limits.ts";
import { bounded, mapping, text } from "./shape.ts";

/** What `store` has to be. */
export function store(): z.ZodType<StoreConfig, Record<string, unknown> | undefined> {
  return mapping("a mapping with size or server", {
    size: bounded(STORE_SIZE).prefault("64MiB").describe(`${STORE_SIZE.meaning} ${STORE_SIZE.reason}`),
    server: storeServer()
      .optional()
      .describe(
        "A Valkey or Redis server that has the store in the place of this process, so that many machines share it. User and password are best written as variables.",
      ),
  })
    .transform(({ size, server }) => ({ sizeBytes: size, server: server ?? null }))
    .prefault({});
}

function storeServer(): z.ZodType<string, string> {
  return text(
    "an address like redis://127.0.0.1:6379 or rediss://user:password@host/0",
    /^rediss?:\/\/./,
    (input) => (URL.canParse(input) && new URL(input).hostname !== "" ? input : undefined),
  );
}
