import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ConfigView as Config } from "../host/control/control.ts";
import type { LiveFile } from "../host/control/live-view.ts";
import { read, sentenceOf } from "./api.ts";
import { ConfigEditor } from "./config-editor.tsx";
import { Condition } from "./header.tsx";
import { useLive, useMay } from "./store-context.ts";

/** What runs, whether the file says the same, and for who may: another one. */
export function ConfigView(): JSX.Element {
  const { view } = useLive();
  const may = useMay("admin");
  return (
    <>
      {view !== undefined && <FileState {...view.file} />}
      {may && <ConfigEditor />}
      <Running generation={view?.generation} />
    </>
  );
}

function FileState({ path, differs, problems, refusal }: LiveFile): JSX.Element {
  if (path === undefined) return <p>The host was started without a configuration file.</p>;
  const isWrong = problems.length > 0 || refusal !== undefined;
  const text = isWrong
    ? "the file is refused; what ran before runs"
    : differs
      ? "what runs is not what the file says"
      : "what runs is what the file says";
  return (
    <section aria-label="The file">
      <p>
        <code>{path}</code>: <Condition isGood={!differs && !isWrong} isSevere={isWrong} text={text} />
      </p>
      {refusal !== undefined && <p class="problem">{refusal}</p>}
      <ul class="problems">
        {problems.map(({ line, column, sentence, path: option }) => (
          <li key={`${line} ${column} ${sentence}`}>
            {path}:{line}:{column} <code>{option}</code> {sentence}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Running({ generation }: { readonly generation: number | undefined }): JSX.Element {
  const [config, setConfig] = useState<string>();
  useEffect(() => {
    let isWanted = true;
    const show = (text: string): void => {
      if (isWanted) setConfig(text);
    };
    read<Config>("/v1/config").then(
      ({ config: running }) => show(JSON.stringify(running, undefined, 2)),
      (error: unknown) => show(sentenceOf(error)),
    );
    return () => {
      isWanted = false;
    };
  }, [generation]);
  return (
    <details class="running">
      <summary>What runs, with every default and without secrets</summary>
      <pre tabIndex={0}>{config ?? "…"}</pre>
    </details>
  );
}
