import type { ComponentChildren, JSX } from "preact";
import { createContext } from "preact";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { ApiProblem, post, sentenceOf } from "./api.ts";
import { useLive } from "./store-context.ts";
import { shortened } from "./wording.ts";

/** A change that is asked for, before it is made. */
export interface Proposal {
  readonly title: string;
  /** What it will do, for whoever is about to confirm it. */
  readonly explanation: ComponentChildren;
  /** On the button. */
  readonly act: string;
  readonly path: string;
  readonly body: object;
  /** What is said when it is done. */
  readonly done: string;
}

export interface ChangeResult {
  readonly generation: number;
  readonly durationMs: number;
  readonly changes: readonly string[];
}

/** How a change ended, for whoever has asked for it. */
export interface Outcome {
  readonly sentence: string;
  readonly details: readonly string[];
}

interface Changer {
  readonly propose: (proposal: Proposal) => void;
  readonly tell: (outcome: Outcome) => void;
}

const ChangerContext = createContext<Changer>({ propose: () => {}, tell: () => {} });

export function useChanger(): Changer {
  return useContext(ChangerContext);
}

/** Asks before each change, and tells what came of it. */
export function ChangerProvider({ children }: { readonly children: ComponentChildren }): JSX.Element {
  const [proposal, setProposal] = useState<Proposal>();
  const [outcome, setOutcome] = useState<Outcome>();
  const [changer] = useState<Changer>(() => ({ propose: setProposal, tell: setOutcome }));
  return (
    <ChangerContext.Provider value={changer}>
      {children}
      {proposal !== undefined && (
        <ConfirmDialog proposal={proposal} onEnd={() => setProposal(undefined)} onDone={setOutcome} />
      )}
      <div role="status" class="outcome-place">
        {outcome !== undefined && (
          <div class="outcome">
            <p>
              <span aria-hidden="true">✓ </span>
              {outcome.sentence}
            </p>
            {outcome.details.length > 0 && (
              <ul>
                {outcome.details.map((line) => (
                  <li key={line}>{shortened(line)}</li>
                ))}
              </ul>
            )}
            <button type="button" onClick={() => setOutcome(undefined)}>
              Dismiss
            </button>
          </div>
        )}
      </div>
    </ChangerContext.Provider>
  );
}

interface ConfirmProperties {
  readonly proposal: Proposal;
  readonly onEnd: () => void;
  readonly onDone: (outcome: Outcome) => void;
}

function ConfirmDialog({ proposal, onEnd, onDone }: ConfirmProperties): JSX.Element {
  const { title, explanation, act, path, body, done } = proposal;
  const change = useChange(path, (result) => {
    onDone(outcomeOf(done, result));
    onEnd();
  });
  return (
    <Dialog title={title} onClose={onEnd}>
      <div>{explanation}</div>
      <ProblemLine problem={change.problem} />
      <div class="buttons">
        <button type="button" onClick={onEnd}>
          Cancel
        </button>
        <button type="button" class="act" disabled={change.isUnderWay} onClick={() => void change.make(body)}>
          {change.isUnderWay ? "Under way…" : act}
        </button>
      </div>
    </Dialog>
  );
}

export function outcomeOf(sentence: string, { generation, durationMs, changes }: ChangeResult): Outcome {
  const took = Math.round(durationMs);
  return { sentence: `${sentence} Generation ${generation} is live, after ${took} ms.`, details: changes };
}

interface Change {
  readonly problem: unknown;
  readonly isUnderWay: boolean;
  readonly make: (body: object) => Promise<void>;
}

/**
 * A change on the condition that the generation is live that was seen when it was thought of. Who is told that it is not has seen the new
 * one, and may ask again.
 */
export function useChange(path: string, onDone: (result: ChangeResult) => void): Change {
  const { view } = useLive();
  const seen = useRef(view?.generation);
  const [problem, setProblem] = useState<unknown>();
  const [isUnderWay, setUnderWay] = useState(false);
  const make = async (body: object): Promise<void> => {
    setUnderWay(true);
    setProblem(undefined);
    try {
      onDone(await post<ChangeResult>(path, body, seen.current));
    } catch (error) {
      if (error instanceof ApiProblem && error.generation !== undefined) seen.current = error.generation;
      setProblem(error);
    } finally {
      setUnderWay(false);
    }
  };
  return { problem, isUnderWay, make };
}

/** Why something was refused. */
export function ProblemLine({ problem }: { readonly problem: unknown }): JSX.Element {
  return (
    <div role="alert">
      {problem !== undefined && (
        <p class="problem">
          <strong>Refused: </strong>
          {shortened(sentenceOf(problem))}
        </p>
      )}
    </div>
  );
}

interface DialogProperties {
  readonly title: string;
  readonly onClose: () => void;
  readonly isWide?: boolean;
  readonly children: ComponentChildren;
}

/** Modal, by the browser's own element: focus stays inside, and Escape closes it. */
export function Dialog({ title, onClose, isWide, children }: DialogProperties): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    // It gives the focus back to what had it.
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={element}
      class={isWide === true ? "wide" : undefined}
      aria-labelledby="dialog-title"
      onClose={onClose}
    >
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}
