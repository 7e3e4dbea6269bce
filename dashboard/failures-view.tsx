import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { RefusedRequest } from "../host/control/control.ts";
import type { TimelineView } from "../host/ops/timeline-view.ts";
import { ApiProblem, read, sentenceOf } from "./api.ts";
import { useLive } from "./store-context.ts";
import { TimelineSteps } from "./timeline-steps.tsx";
import { clock, duration, number } from "./wording.ts";

/** What has gone wrong, from the sum down to single exchanges. */
export function FailuresView(): JSX.Element {
  const { view } = useLive();
  const counts = Object.entries(view?.failures ?? {}).toSorted(([, one], [, other]) => other - one);
  return (
    <>
      <section aria-labelledby="codes">
        <h2 id="codes">Since the start</h2>
        {counts.length === 0 && <p class="quiet">No exchange has failed.</p>}
        <ul class="codes">
          {counts.map(([code, count]) => (
            <li key={code}>
              <code>{code}</code> {number(count)}
            </li>
          ))}
        </ul>
      </section>
      <FailedExchanges />
      <RefusedRequests />
    </>
  );
}

function FailedExchanges(): JSX.Element {
  const { answer, problem } = usePolled(askFailed);
  const isMissing = problem?.code === "PATH_UNKNOWN";
  return (
    <section aria-labelledby="failed">
      <h2 id="failed">The last failed exchanges</h2>
      {isMissing && <p class="quiet">This host does not keep them.</p>}
      {problem !== undefined && !isMissing && <p class="problem">{sentenceOf(problem)}</p>}
      {answer?.length === 0 && <p class="quiet">None that is still kept.</p>}
      {answer?.map((exchange) => (
        <FailedExchange key={exchange.requestId} {...exchange} />
      ))}
    </section>
  );
}

function FailedExchange(exchange: TimelineView): JSX.Element {
  const { at, method, path, status, durationMs, failure, requestId, route, generation } = exchange;
  return (
    <details>
      <summary>
        <time>{clock(at)}</time> <strong>{status === 0 ? "no status" : status}</strong>{" "}
        <code>{failure?.code ?? "by the upstream"}</code> {method} {path}{" "}
        <span class="quiet">{duration(durationMs)}</span>
      </summary>
      <p>
        {failure?.detail} Request <code>{requestId}</code>, route {route ?? "none"}, generation {generation}.
      </p>
      <TimelineSteps {...exchange} />
    </details>
  );
}

function RefusedRequests(): JSX.Element {
  const { answer } = usePolled(askRefused);
  return (
    <section aria-labelledby="refused">
      <h2 id="refused">Refused before they became exchanges</h2>
      {answer?.length === 0 && <p class="quiet">None.</p>}
      {answer !== undefined && answer.length > 0 && (
        <table>
          <caption class="unseen">The last requests that were refused before they became exchanges</caption>
          <thead>
            <tr>
              <th scope="col">At</th>
              <th scope="col" class="number">
                Status
              </th>
              <th scope="col">Code</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {answer.slice(0, REFUSED_MAX).map(({ at, status, code, detail }, index) => (
              <tr key={`${at} ${index}`}>
                <td class="still">{clock(at)}</td>
                <td class="number">{status}</td>
                <td>
                  <code>{code}</code>
                </td>
                <td>{detail}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

interface Polled<Answer> {
  readonly answer?: Answer;
  readonly problem?: ApiProblem;
}

/** Asked again and again while it is looked at. `ask` has to be the same function each time. */
function usePolled<Answer>(ask: (signal: AbortSignal) => Promise<Answer>): Polled<Answer> {
  const [result, setResult] = useState<Polled<Answer>>({});
  useEffect(() => {
    const abort = new AbortController();
    const look = async (): Promise<void> => {
      try {
        setResult({ answer: await ask(abort.signal) });
      } catch (error) {
        // A host that is away is told of at the top of the page.
        if (error instanceof ApiProblem) setResult({ problem: error });
      }
    };
    void look();
    const timer = setInterval(() => void look(), AGAIN_MS);
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [ask]);
  return result;
}

const askFailed = (signal: AbortSignal): Promise<readonly TimelineView[]> =>
  read("/v1/exchanges?failed=true&limit=50", signal);

const askRefused = (signal: AbortSignal): Promise<readonly RefusedRequest[]> => read("/v1/refused", signal);

const AGAIN_MS = 2_000;
const REFUSED_MAX = 50;
