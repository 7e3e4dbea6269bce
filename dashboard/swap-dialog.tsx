import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Differences } from "../host/control/control.ts";
import type { LiveFilter } from "../host/control/live-view.ts";
import { filterPath, post } from "./api.ts";
import { Dialog, outcomeOf, ProblemLine, useChange, useChanger } from "./change-dialog.tsx";
import { DifferencesList } from "./differences-list.tsx";
import { short } from "./wording.ts";

interface Properties {
  readonly name: string;
  readonly filter: LiveFilter;
  readonly onEnd: () => void;
}

type How = "at-once" | "canary" | "shadow";

interface Wish {
  readonly component: string;
  readonly config: string;
  readonly how: How;
  readonly percent: string;
  readonly key: "client" | "none";
}

/** Puts another version in the place of a filter's present one, or tries it beside that. */
export function SwapDialog({ name, filter, onEnd }: Properties): JSX.Element {
  const { tell } = useChanger();
  const [wish, setWish] = useState<Wish>({
    component: filter.component,
    config: "",
    how: "at-once",
    percent: "5",
    key: "client",
  });
  const [preview, setPreview] = useState<Differences>();
  const [trouble, setTrouble] = useState<unknown>();
  const change = useChange(`${filterPath(name)}/swap`, (result) => {
    tell(
      outcomeOf(
        wish.how === "at-once" ? `${name} is swapped.` : `The ${wish.how} of ${name} has begun.`,
        result,
      ),
    );
    onEnd();
  });
  const look = async (): Promise<void> => {
    setTrouble(undefined);
    setPreview(undefined);
    try {
      setPreview(await post<Differences>(`${filterPath(name)}/diff`, bodyOf(wish)));
    } catch (error) {
      setTrouble(error);
    }
  };
  return (
    <Dialog title={`Swap ${name}`} onClose={onEnd} isWide>
      <p>
        <code>{short(filter.digest)}</code> runs. Exchanges in flight end where they began; when the new
        version is refused, nothing changes.
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setTrouble(undefined);
          void change.make(bodyOf(wish));
        }}
      >
        <WishFields wish={wish} onChange={setWish} />
        {preview !== undefined && <DifferencesList {...preview} />}
        <ProblemLine problem={trouble ?? change.problem} />
        <div class="buttons">
          <button type="button" onClick={() => void look()}>
            What would change?
          </button>
          <button type="button" onClick={onEnd}>
            Cancel
          </button>
          <button type="submit" class="act" disabled={change.isUnderWay}>
            {change.isUnderWay ? "Under way…" : ACTS[wish.how]}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

const ACTS = { "at-once": "Swap", canary: "Begin the canary", shadow: "Begin the shadow" } as const;

function WishFields({
  wish,
  onChange,
}: {
  readonly wish: Wish;
  readonly onChange: (wish: Wish) => void;
}): JSX.Element {
  return (
    <>
      <label htmlFor="component">Component</label>
      <input
        id="component"
        required
        spellcheck={false}
        value={wish.component}
        onInput={({ currentTarget: { value } }) => onChange({ ...wish, component: value })}
        aria-describedby="component-note"
      />
      <p id="component-note" class="quiet">
        An absolute path on the host's machine, or oci://…
      </p>
      <label htmlFor="filter-config">Config, as JSON; the present one stays when this is empty</label>
      <textarea
        id="filter-config"
        rows={4}
        spellcheck={false}
        value={wish.config}
        onInput={({ currentTarget }) => {
          currentTarget.setCustomValidity(isJson(currentTarget.value) ? "" : "This is no JSON.");
          onChange({ ...wish, config: currentTarget.value });
        }}
      />
      <fieldset>
        <legend>How</legend>
        {HOWS.map(([how, text]) => (
          <label key={how}>
            <input
              type="radio"
              name="how"
              checked={wish.how === how}
              onChange={() => onChange({ ...wish, how })}
            />{" "}
            {text}
          </label>
        ))}
        {wish.how === "canary" && (
          <label>
            What keeps to one version{" "}
            <select
              value={wish.key}
              onChange={({ currentTarget: { value } }) => onChange({ ...wish, key: value as Wish["key"] })}
            >
              <option value="client">the client</option>
              <option value="none">nothing: each exchange by itself</option>
            </select>
          </label>
        )}
        {wish.how === "canary" && (
          <label>
            Percent of exchanges{" "}
            <input
              type="number"
              min="0.1"
              max="99.9"
              step="0.1"
              required
              value={wish.percent}
              onInput={({ currentTarget: { value } }) => onChange({ ...wish, percent: value })}
            />
          </label>
        )}
      </fieldset>
    </>
  );
}

const HOWS: readonly (readonly [How, string])[] = [
  ["at-once", "at once, for all exchanges"],
  ["canary", "as a canary: it serves a share, and is rolled back by itself when it is worse"],
  ["shadow", "as a shadow: it sees copies, and what it would do is compared"],
];

function bodyOf({ component, config, how, percent, key }: Wish): object {
  return {
    component: component.trim(),
    ...(config.trim() !== "" && { config: JSON.parse(config) as unknown }),
    ...(how === "canary" && { trial: { kind: how, percent: Number(percent), key: { kind: key } } }),
    ...(how === "shadow" && { trial: { kind: how } }),
  };
}

function isJson(text: string): boolean {
  if (text.trim() === "") return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
