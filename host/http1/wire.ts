import { STATUS_CODES } from "node:http";
import type { FieldList } from "../message.ts";

/** `HTTP/1.1 200 OK` and its line break, by status. */
export const STATUS_LINES: readonly string[] = Array.from(
  { length: 600 },
  (_, status) => `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`,
);

/** Fields as they go on the wire, each with its line break. */
export function fieldLines(fields: FieldList): string {
  let lines = "";
  for (let at = 0; at < fields.length; at += 2)
    lines += `${fields[at] as string}: ${fields[at + 1] as string}\r\n`;
  return lines;
}

/** A chunk's line: its size and the line break (RFC 9112 §7.1). */
export function chunkLine(length: number): string {
  return `${length.toString(16)}\r\n`;
}

/** The end of a chunked body, with its trailers. */
export function lastChunk(trailers: FieldList): string {
  return trailers.length === 0 ? "0\r\n\r\n" : `0\r\n${fieldLines(trailers)}\r\n`;
}

/** The Date of this second (RFC 9110 §6.6.1): made once, for all responses of the second. */
export function httpDate(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dated) {
    dated = second;
    date = new Date(second * 1000).toUTCString();
  }
  return date;
}

let dated = 0;
let date = "";
