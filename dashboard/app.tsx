import type { ComponentChild, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ChangerProvider } from "./change-dialog.tsx";
import { ConfigView } from "./config-view.tsx";
import { FailuresView } from "./failures-view.tsx";
import { FiltersView } from "./filters-view.tsx";
import { GenerationsView } from "./generations-view.tsx";
import { Header } from "./header.tsx";
import { RoutesView } from "./routes-view.tsx";
import { SignIn } from "./sign-in.tsx";
import { useLive } from "./store-context.ts";
import { TrafficView } from "./traffic-view.tsx";
import { UpstreamsView } from "./upstreams-view.tsx";
import { WorkersView } from "./workers-view.tsx";

const VIEWS: Readonly<Record<string, { readonly title: string; readonly view: () => ComponentChild }>> = {
  traffic: { title: "Traffic", view: () => <TrafficView /> },
  routes: { title: "Routes", view: () => <RoutesView /> },
  filters: { title: "Filters", view: () => <FiltersView /> },
  generations: { title: "Generations", view: () => <GenerationsView /> },
  upstreams: { title: "Upstreams", view: () => <UpstreamsView /> },
  workers: { title: "Workers", view: () => <WorkersView /> },
  failures: { title: "Failures", view: () => <FailuresView /> },
  config: { title: "Configuration", view: () => <ConfigView /> },
};

export function App(): JSX.Element {
  const { connection, view } = useLive();
  const place = usePlace();
  const { title, view: content } = VIEWS[place] ?? { title: "Traffic", view: () => <TrafficView /> };
  useEffect(() => {
    document.title = `${title} · Sluice`;
  }, [title]);
  if (connection.kind === "stranger") return <SignIn why={connection.why} />;
  return (
    <ChangerProvider>
      <a class="skip" href="#main" onClick={goToMain}>
        Skip to the content
      </a>
      <Header />
      <ConnectionLine />
      <div class="columns">
        <nav aria-label="Views">
          <ul>
            {Object.entries(VIEWS).map(([name, { title: label }]) => (
              <li key={name}>
                <a href={`#${name}`} aria-current={name === place ? "page" : undefined}>
                  {label}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <main id="main" tabIndex={-1}>
          <h1>{title}</h1>
          {view === undefined ? <p class="quiet">Waiting for the host…</p> : content()}
        </main>
      </div>
      <Announcer />
    </ChangerProvider>
  );
}

/** A loss is said where everybody looks; the numbers below are those of before. */
function ConnectionLine(): JSX.Element {
  const { connection } = useLive();
  return (
    <div role="alert">
      {connection.kind === "lost" && (
        <p class="lost">
          <strong>The connection to the host is lost.</strong> {connection.why} What is shown is how it was at{" "}
          {new Date(connection.sinceMs).toLocaleTimeString("en-GB")}. It is tried again each second.
        </p>
      )}
    </div>
  );
}

/** Tells screen readers what is news. */
function Announcer(): JSX.Element {
  const [latest] = useLive().news;
  return (
    <p class="unseen" aria-live="polite">
      {latest?.sentence ?? ""}
    </p>
  );
}

function usePlace(): string {
  const [place, setPlace] = useState(hash());
  useEffect(() => {
    const changed = (): void => setPlace((before) => (hash() === "main" ? before : hash()));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return place in VIEWS ? place : "traffic";
}

function hash(): string {
  return location.hash.slice(1);
}

function goToMain(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("#main")?.focus();
}
