import type { ComponentChildren, JSX } from "preact";
import type { LiveView } from "../host/control/live-view.ts";
import { Chart, type Line } from "./chart.tsx";
import { useLive } from "./store-context.ts";
import { clock, duration, micros, number, percent, shortened } from "./wording.ts";

/** What the host does, at a glance. */
export function TrafficView(): JSX.Element | null {
  const { view, moments, swaps } = useLive();
  if (view === undefined) return null;
  const { perSecond, errorsPerSecond, p50Ms, p99Ms, inFlight, connections } = view.totals;
  const share = perSecond === 0 ? null : errorsPerSecond / perSecond;
  return (
    <>
      <dl class="readouts">
        <Readout name="exchanges per second" value={number(perSecond)} />
        <Readout
          name="errors per second"
          value={number(errorsPerSecond)}
          note={percent(share)}
          isBad={errorsPerSecond > 0}
        />
        <Readout name="p50" value={duration(p50Ms)} />
        <Readout name="p99" value={duration(p99Ms)} />
        <Readout name="in flight" value={number(inFlight)} />
        <Readout name="connections" value={number(connections)} />
      </dl>
      <div class="charts">
        <Chart
          title="Exchanges per second"
          words={`${number(perSecond)} exchanges and ${number(errorsPerSecond)} errors now`}
          lines={RATES}
          format={number}
          moments={moments}
          swaps={swaps}
        />
        <Chart
          title="Duration of exchanges, of the last ten seconds"
          words={`half within ${duration(p50Ms)}, 99 % within ${duration(p99Ms)}`}
          lines={DURATIONS}
          format={duration}
          moments={moments}
          swaps={swaps}
        />
        <BusiestRoutes routes={view.routes} />
        <CostliestFilters filters={view.filters} />
      </div>
      <News />
    </>
  );
}

const RATES: readonly Line[] = [
  { label: "exchanges", colour: "accent", of: ({ perSecond }) => perSecond },
  { label: "errors", colour: "bad", of: ({ errorsPerSecond }) => errorsPerSecond, isDashed: true },
];

const DURATIONS: readonly Line[] = [
  { label: "p50", colour: "accent", of: ({ p50Ms }) => p50Ms },
  { label: "p99", colour: "warned", of: ({ p99Ms }) => p99Ms, isDashed: true },
];

interface ReadoutProperties {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
  readonly isBad?: boolean;
}

function Readout({ name, value, note, isBad }: ReadoutProperties): JSX.Element {
  return (
    <div class={isBad === true ? "bad" : undefined}>
      <dt>{name}</dt>
      <dd>
        {value}
        {note !== undefined && <small> {note}</small>}
      </dd>
    </div>
  );
}

function BusiestRoutes({ routes }: Pick<LiveView, "routes">): JSX.Element {
  const busiest = Object.entries(routes)
    .toSorted(([, one], [, other]) => other.perSecond - one.perSecond)
    .slice(0, FEW);
  return (
    <FewRows title="Busiest routes" columns={["Route", "Exchanges/s", "Errors/s", "p99"]}>
      {busiest.map(([name, { perSecond, errorsPerSecond, p99Ms }]) => (
        <tr key={name}>
          <th scope="row">{name}</th>
          <td class="number">{number(perSecond)}</td>
          <td class={`number ${errorsPerSecond > 0 ? "bad" : ""}`}>{number(errorsPerSecond)}</td>
          <td class="number">{duration(p99Ms)}</td>
        </tr>
      ))}
    </FewRows>
  );
}

function CostliestFilters({ filters }: Pick<LiveView, "filters">): JSX.Element {
  const costliest = Object.entries(filters)
    .map(([name, filter]) => ({ ...filter, name, us: filter.callsPerSecond * (filter.meanUs ?? 0) }))
    .toSorted((one, other) => other.us - one.us)
    .slice(0, FEW);
  return (
    <FewRows
      title="Filters that take the most time"
      columns={["Filter", "Time per second", "Calls/s", "Failures/s"]}
    >
      {costliest.map(({ name, us, callsPerSecond, failuresPerSecond }) => (
        <tr key={name}>
          <th scope="row">{name}</th>
          <td class="number">{micros(us)}</td>
          <td class="number">{number(callsPerSecond)}</td>
          <td class={`number ${failuresPerSecond > 0 ? "bad" : ""}`}>{number(failuresPerSecond)}</td>
        </tr>
      ))}
    </FewRows>
  );
}

interface FewProperties {
  readonly title: string;
  readonly columns: readonly string[];
  readonly children: ComponentChildren;
}

function FewRows({ title, columns, children }: FewProperties): JSX.Element {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <table>
        <caption class="unseen">{title}</caption>
        <thead>
          <tr>
            {columns.map((column, at) => (
              <th key={column} scope="col" class={at === 0 ? undefined : "number"}>
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}

const FEW = 5;

function News(): JSX.Element {
  const { news, generations } = useLive();
  const [last] = generations;
  return (
    <section aria-labelledby="news">
      <h2 id="news">What has happened</h2>
      {news.length === 0 && (
        <p class="quiet">
          Nothing since this page was opened.
          {last !== undefined &&
            ` Generation ${last.number}, by ${last.by}, is live since ${clock(last.at)}.`}
        </p>
      )}
      <ol class="news">
        {news.map(({ at, kind, sentence }, index) => (
          <li key={`${at} ${index}`} class={kind}>
            <time>{clock(at)}</time> {kind !== "change" && <span class="tag">{kind}</span>}{" "}
            {shortened(sentence)}
          </li>
        ))}
      </ol>
    </section>
  );
}
