import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { keepToken, token } from "./session.ts";
import { useStore } from "./store-context.ts";

/** Asks for a token, where the host asks for one. */
export function SignIn({ why }: { readonly why: string }): JSX.Element {
  const store = useStore();
  const [text, setText] = useState("");
  return (
    <main class="sign-in">
      <h1>Sluice</h1>
      <p>This host asks for a token. It is kept in this tab until that is closed.</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          keepToken(text.trim());
          store.start();
        }}
      >
        <label htmlFor="token">Token</label>
        <input
          id="token"
          type="password"
          autoComplete="off"
          required
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        <button type="submit" class="act">
          Look on
        </button>
      </form>
      <div role="alert">{token() !== undefined && <p class="problem">{why}</p>}</div>
    </main>
  );
}
