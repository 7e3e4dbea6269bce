import type { Logger } from "pino";
import type { Config } from "../config/config.ts";
import { type Changes, refusalOf } from "./changes.ts";
import type { Asked } from "./control.ts";
import { differencesOf, sentenceOf } from "./differences.ts";
import type { GenerationRecord } from "./history.ts";
import type { InheritedSockets } from "./inherited-sockets.ts";

/** Makes a generation of an earlier process live; when it cannot be live again, what the file says. */
export async function resume(
  changes: Changes,
  resumed: GenerationRecord,
  { config, hidden }: { readonly config: Config; readonly hidden: ReadonlySet<string> },
  inherited: InheritedSockets,
  logger: Logger,
): Promise<void> {
  const asked: Asked = { by: "start" };
  try {
    const { digests } = resumed;
    await changes.make({ config: resumed.config, asked, inherited, digests, resumed });
    const differences = differencesOf(config, resumed.config, hidden).map(sentenceOf);
    logger.info({ generation: resumed.number, differences }, "resumed");
  } catch (error) {
    const { message } = refusalOf(error);
    logger.warn({ generation: resumed.number }, `not resumed, the file counts: ${message}`);
    await changes.make({ config, asked, inherited });
  }
}
