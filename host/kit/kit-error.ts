/** What went wrong in a command for authors of filters: one sentence for a person at a terminal, who needs no stack. */
export class KitError extends Error {
  override readonly name = "KitError";
}
