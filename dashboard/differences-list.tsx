import type { JSX } from "preact";
import type { Difference, Differences } from "../host/control/control.ts";

/** What a change would change, and why it would be refused. */
export function DifferencesList({ differences, refusals }: Differences): JSX.Element {
  return (
    <section class="differences" aria-label="What would change" role="status">
      {refusals.map((sentence) => (
        <p key={sentence} class="problem">
          <strong>It would be refused: </strong>
          {sentence}
        </p>
      ))}
      {differences.length === 0 ? (
        <p>Nothing would change.</p>
      ) : (
        <dl>
          {differences.map((difference) => (
            <Entry key={difference.path} {...difference} />
          ))}
        </dl>
      )}
    </section>
  );
}

function Entry({ path, kind, from, to }: Difference): JSX.Element {
  return (
    <div>
      <dt>
        <code>{path}</code> {kind}
      </dt>
      {from !== undefined && (
        <dd class="from">
          <span aria-hidden="true">− </span>
          <span class="unseen">was </span>
          <code>{JSON.stringify(from)}</code>
        </dd>
      )}
      {to !== undefined && (
        <dd class="to">
          <span aria-hidden="true">+ </span>
          <span class="unseen">would be </span>
          <code>{JSON.stringify(to)}</code>
        </dd>
      )}
    </div>
  );
}
