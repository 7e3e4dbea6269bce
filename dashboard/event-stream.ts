export interface StreamEvent {
  readonly type: string;
  readonly data: string;
}

/** The events of a `text/event-stream` whose lines end with a line feed; comments are events of the type "". */
export async function* eventsOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const reader = stream
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) yield eventOf(block);
    }
  } finally {
    // Otherwise the connection would stay open with nobody at its end.
    void reader.cancel().catch(() => {});
  }
}

function eventOf(block: string): StreamEvent {
  let type = "";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) type = line.slice("event: ".length);
    else if (line.startsWith("data: ")) data += line.slice("data: ".length);
  }
  return { type, data };
}
