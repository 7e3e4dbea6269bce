import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Differences } from "../host/control/control.ts";
import { type PlacedProblem, post, read, sentenceOf } from "./api.ts";
import { useChanger } from "./change-dialog.tsx";
import { DifferencesList } from "./differences-list.tsx";
import { plural } from "./wording.ts";

/** What is known of the text as it was when the host was last asked. */
interface Checked {
  readonly text: string;
  readonly problems: readonly PlacedProblem[];
  readonly differences: Differences | undefined;
}

/** The configuration's text. While it is written, the host is asked what is wrong with it, and where. */
export function ConfigEditor(): JSX.Element {
  const { propose } = useChanger();
  const [text, setText] = useState<string>();
  const [trouble, setTrouble] = useState<string>();
  const checked = useChecked(text);
  const load = async (): Promise<void> => {
    try {
      const file = await read<{ readonly text: string }>("/v1/config/text");
      setTrouble(undefined);
      setText(file.text);
    } catch (error) {
      setTrouble(sentenceOf(error));
      setText((before) => before ?? "");
    }
  };
  useEffect(() => void load(), []);
  const isChecked = checked !== undefined && checked.text === text;
  const isInOrder = isChecked && checked.problems.length === 0;
  return (
    <section aria-labelledby="editor">
      <h2 id="editor">Another configuration</h2>
      <p class="quiet">
        It begins as the file is now. What is applied runs until the file changes or the host starts anew with
        another one; the file itself is not written.
      </p>
      {trouble !== undefined && <p class="problem">{trouble}</p>}
      <Editor text={text ?? ""} onInput={setText} problems={isChecked ? checked.problems : []} />
      <p role="status">{statusOf(checked, isChecked)}</p>
      <ProblemList problems={isChecked ? checked.problems : []} />
      {isInOrder && checked.differences !== undefined && <DifferencesList {...checked.differences} />}
      <div class="buttons">
        <button type="button" onClick={() => void load()}>
          As the file is
        </button>
        <button
          type="button"
          class="act"
          disabled={!isInOrder || checked.differences?.differences.length === 0}
          onClick={() =>
            propose({
              title: "Apply this configuration?",
              explanation: <Consequence differences={checked?.differences} />,
              act: "Apply",
              path: "/v1/config/apply",
              body: { text },
              done: "The configuration is live.",
            })
          }
        >
          Apply…
        </button>
      </div>
    </section>
  );
}

function statusOf(checked: Checked | undefined, isChecked: boolean): string {
  if (!isChecked || checked === undefined) return "Checking…";
  return checked.problems.length === 0
    ? "The text is in order."
    : `${plural(checked.problems.length, "problem")}: nothing of it can be applied.`;
}

function Consequence({ differences }: { readonly differences: Differences | undefined }): JSX.Element {
  const count = differences?.differences.length ?? 0;
  return (
    <p>
      {plural(count, "difference")} from what runs. Exchanges in flight end where they began; when it is
      refused, nothing changes.
    </p>
  );
}

/** Asks once nothing has been written for a moment. */
function useChecked(text: string | undefined): Checked | undefined {
  const [checked, setChecked] = useState<Checked>();
  useEffect(() => {
    if (text === undefined) return undefined;
    let isWanted = true;
    const look = async (): Promise<void> => {
      const result = await check(text);
      if (isWanted) setChecked(result);
    };
    const timer = setTimeout(() => void look(), PAUSE_MS);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [text]);
  return checked;
}

async function check(text: string): Promise<Checked> {
  try {
    const { problems } = await post<{ readonly problems: readonly PlacedProblem[] }>("/v1/config/validate", {
      text,
    });
    const differences =
      problems.length > 0 ? undefined : await post<Differences>("/v1/config/diff", { text });
    return { text, problems, differences };
  } catch (error) {
    return {
      text,
      problems: [{ line: 1, column: 1, path: "", sentence: sentenceOf(error) }],
      differences: undefined,
    };
  }
}

const PAUSE_MS = 250;

interface EditorProperties {
  readonly text: string;
  readonly onInput: (text: string) => void;
  readonly problems: readonly PlacedProblem[];
}

/** A text with the numbers of its lines; lines with problems are marked, and what is wrong stands below each of them. */
function Editor({ text, onInput, problems }: EditorProperties): JSX.Element {
  const gutter = useRef<HTMLDivElement>(null);
  const [scrolled, setScrolled] = useState(0);
  const lines = text.split("\n");
  const byLine = new Map<number, string[]>();
  for (const { line, sentence } of problems) byLine.set(line, [...(byLine.get(line) ?? []), sentence]);
  return (
    <div class="editor">
      <div class="gutter" ref={gutter} aria-hidden="true">
        {lines.map((_, at) => {
          const wrong = byLine.get(at + 1);
          return (
            <div key={at} class={wrong === undefined ? undefined : "wrong"} title={wrong?.join("\n")}>
              {wrong !== undefined && "✕ "}
              {at + 1}
            </div>
          );
        })}
      </div>
      <textarea
        aria-label="Text of the configuration"
        aria-invalid={problems.length > 0}
        aria-describedby="config-problems"
        spellcheck={false}
        wrap="off"
        value={text}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
        onScroll={({ currentTarget: { scrollTop } }) => {
          setScrolled(scrollTop);
          if (gutter.current !== null) gutter.current.scrollTop = scrollTop;
        }}
      />
      <div class="notes" aria-hidden="true">
        {[...byLine].map(([line, sentences]) => (
          <div
            key={line}
            style={{
              top: `${PADDING_PX + (line - 1) * LINE_PX - scrolled}px`,
              left: `min(${(lines[line - 1]?.length ?? 0) + 4}ch, 55%)`,
            }}
          >
            {sentences.join(" ")}
          </div>
        ))}
      </div>
    </div>
  );
}

/** As the style sheet has them. */
const LINE_PX = 18;
const PADDING_PX = 6;

function ProblemList({ problems }: { readonly problems: readonly PlacedProblem[] }): JSX.Element {
  return (
    <ul class="problems" id="config-problems">
      {problems.map(({ line, column, path, sentence }) => (
        <li key={`${line} ${column} ${sentence}`}>
          <button type="button" class="place" onClick={() => goTo(line, column)}>
            line {line}, column {column}
          </button>{" "}
          <code>{path}</code> {sentence}
        </li>
      ))}
    </ul>
  );
}

/** Puts the cursor where the problem is. */
function goTo(line: number, column: number): void {
  const area = document.querySelector<HTMLTextAreaElement>(".editor textarea");
  if (area === null) return;
  const before = area.value.split("\n").slice(0, line - 1);
  const at = before.reduce((sum, each) => sum + each.length + 1, 0) + column - 1;
  area.focus();
  area.setSelectionRange(at, at);
}
