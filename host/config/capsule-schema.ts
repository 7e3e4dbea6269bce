import * as z from "zod";
import { RECORD_HEADERS_MAX } from "../record/record-request.ts";
import { isNeverKept } from "../record/redaction.ts";
import type { CapsuleConfig } from "./config.ts";
import type { Bound } from "./limits.ts";
import { bounded, flag, list, mapping, text } from "./shape.ts";

/** What `capsules` has to be. */
export function capsules(): z.ZodType<CapsuleConfig, Record<string, unknown>> {
  return mapping("a mapping with folder", {
    folder: text("the path of a folder", /^[^\0]+$/, (input) => input).describe(
      "The folder. It is made when it is missing, and for this user alone.",
    ),
    max: bounded(CAPSULE_FILES)
      .prefault(CAPSULE_FILES.default)
      .describe(`${CAPSULE_FILES.meaning} ${CAPSULE_FILES.reason}`),
    bytes: bounded(CAPSULE_BYTES)
      .prefault("1MiB")
      .describe(`${CAPSULE_BYTES.meaning} ${CAPSULE_BYTES.reason}`),
    bodies: flag()
      .default(false)
      .describe("Whether bodies are in it as they were, and not only how long they were."),
    headers: list("a list of header fields", fieldName(), RECORD_HEADERS_MAX)
      .prefault([])
      .describe("Header fields whose values are in it as they were."),
  }).transform(({ folder, max, bytes, bodies, headers }) => ({
    folder,
    filesMax: max,
    bytesMax: bytes,
    bodies,
    headers,
  }));
}

function fieldName(): z.ZodType<string, string> {
  const expected = "the name of a header field that says neither who nor where somebody is";
  return text(expected, /^[\w!#$%&'*+.^`|~-]{1,256}$/, (name) =>
    isNeverKept(name) ? undefined : name.toLowerCase(),
  );
}

const CAPSULE_FILES: Bound = {
  option: "max",
  unit: "count",
  min: 1,
  max: 1_000,
  default: 20,
  meaning: "The number of capsules that are kept; the oldest makes room.",
  reason: "Who has not looked after twenty does not look at a hundred.",
};

const CAPSULE_BYTES: Bound = {
  option: "bytes",
  unit: "bytes",
  min: 4_096,
  max: 4_194_304,
  default: 1_048_576,
  meaning: "The size of one; what would be larger is not written.",
  reason: "64 KiB of each body are recorded, which with all around them are less.",
};
