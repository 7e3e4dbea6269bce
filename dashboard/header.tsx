import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { forgetToken, token } from "./session.ts";
import { useLive, useStore } from "./store-context.ts";
import { chooseTheme, chosenTheme, type Theme } from "./theme.ts";
import { number } from "./wording.ts";

/** What holds for the whole host. */
export function Header(): JSX.Element {
  const { view, connection, whoami } = useLive();
  return (
    <header>
      <p class="mark">
        <img src="/dashboard/icon.svg" alt="" width="16" height="16" /> Sluice
      </p>
      <p>
        {connection.kind === "live" && view !== undefined ? (
          <Condition isGood={view.ready} text={view.ready ? "serving" : view.reason} />
        ) : (
          <Condition isGood={false} text={connection.kind === "lost" ? "connection lost" : "connecting"} />
        )}
      </p>
      {view !== undefined && (
        <dl>
          <div>
            <dt>generation</dt>
            <dd>{view.generation}</dd>
          </div>
          <div>
            <dt>listens at</dt>
            <dd>{view.listen.join(", ")}</dd>
          </div>
          <div>
            <dt>exchanges/s</dt>
            <dd>{number(view.totals.perSecond)}</dd>
          </div>
          <div>
            <dt>version</dt>
            <dd>{view.version}</dd>
          </div>
        </dl>
      )}
      <div class="end">
        {whoami !== undefined && (
          <span class="quiet">
            {whoami.name}, role {whoami.role}
          </span>
        )}
        {token() !== undefined && <SignOut />}
        <ThemeSwitch />
      </div>
    </header>
  );
}

/** A state as a word, with a mark whose form differs, too. */
export function Condition({
  isGood,
  isSevere,
  text,
}: {
  readonly isGood: boolean;
  readonly isSevere?: boolean;
  readonly text: string;
}): JSX.Element {
  const kind = isGood ? "good" : isSevere === true ? "bad" : "warned";
  return (
    <span class={`condition ${kind}`}>
      <span aria-hidden="true">{isGood ? "●" : isSevere === true ? "✕" : "▲"}</span> {text}
    </span>
  );
}

function SignOut(): JSX.Element {
  const store = useStore();
  return (
    <button
      type="button"
      onClick={() => {
        forgetToken();
        store.start();
      }}
    >
      Forget the token
    </button>
  );
}

function ThemeSwitch(): JSX.Element {
  const [theme, setTheme] = useState(chosenTheme());
  return (
    <label>
      <span class="unseen">Colours</span>
      <select
        value={theme}
        onChange={({ currentTarget }) => {
          const chosen = currentTarget.value as Theme;
          chooseTheme(chosen);
          setTheme(chosen);
        }}
      >
        <option value="system">as the system</option>
        <option value="light">light</option>
        <option value="dark">dark</option>
      </select>
    </label>
  );
}
