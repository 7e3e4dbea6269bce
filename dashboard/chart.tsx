import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Moment, State } from "./live-store.ts";
import { THEME_CHANGED } from "./theme.ts";

export interface Line {
  readonly label: string;
  /** A variable of the style sheet. */
  readonly colour: string;
  readonly of: (moment: Moment) => number | null;
  readonly isDashed?: boolean;
}

interface Properties {
  readonly title: string;
  /** What it shows now, in words: that is what a screen reader is told. */
  readonly words: string;
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
  readonly moments: readonly Moment[];
  readonly swaps: State["swaps"];
}

/** Lines over the last five minutes, with a mark wherever another generation became live. */
export function Chart({ title, words, lines, format, moments, swaps }: Properties): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const marks = useRef(swaps);
  marks.current = swaps;
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const draw = (): void => {
      const data = plot.current?.data ?? [[], ...lines.map(() => [])];
      plot.current?.destroy();
      plot.current = new uPlot(
        optionsFor(element, lines, format, () => marks.current),
        data,
        element,
      );
    };
    draw();
    const sizes = new ResizeObserver(() => plot.current?.setSize(sizeOf(element)));
    sizes.observe(element);
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", draw);
    document.addEventListener(THEME_CHANGED, draw);
    return () => {
      sizes.disconnect();
      system.removeEventListener("change", draw);
      document.removeEventListener(THEME_CHANGED, draw);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [lines, format]);
  useEffect(() => {
    const now = (moments.at(-1)?.at ?? 0) / 1_000;
    plot.current?.setData(
      [moments.map(({ at }) => at / 1_000), ...lines.map(({ of }) => moments.map(of))],
      false,
    );
    const seen = now - (moments[0]?.at ?? 0) / 1_000;
    plot.current?.setScale("x", {
      min: now - Math.min(WINDOW_S_MAX, Math.max(WINDOW_S_MIN, seen)),
      max: now,
    });
  }, [moments, lines]);
  return (
    <figure>
      <figcaption>
        {title}
        <span class="keys" aria-hidden="true">
          {lines.map(({ label, colour, isDashed }) => (
            <span key={label} class={`key ${colour} ${isDashed === true ? "dashed" : ""}`}>
              {label}
            </span>
          ))}
        </span>
      </figcaption>
      <div class="chart" ref={place} role="img" aria-label={`${title}: ${words}`} />
    </figure>
  );
}

function optionsFor(
  element: HTMLElement,
  lines: readonly Line[],
  format: (value: number) => string,
  marks: () => State["swaps"],
): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const axis = {
    stroke: colour("quiet"),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
  };
  return {
    ...sizeOf(element),
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 8, 0, 0],
    scales: { x: { time: true, auto: false }, y: { range: (_, __, max) => [0, Math.max(max * 1.1, LEAST)] } },
    axes: [
      {
        ...axis,
        size: 24,
        values: (_, ticks) => ticks.map((tick) => new Date(tick * 1_000).toLocaleTimeString("en-GB")),
      },
      { ...axis, size: 60, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        width: 1.5,
        points: { show: false },
        ...(line.isDashed === true && { dash: [4, 3] }),
      })),
    ],
    hooks: { draw: [(plot) => drawMarks(plot, marks(), colour("quiet"))] },
  };
}

function drawMarks(plot: uPlot, swaps: State["swaps"], colour: string): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.fillStyle = colour;
  ctx.font = `${11 * devicePixelRatio}px sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  ctx.setLineDash([2, 3]);
  for (const { at, generation } of swaps) {
    const x = Math.round(plot.valToPos(at / 1_000, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillText(`gen ${generation}`, x + 4, bbox.top + 11 * devicePixelRatio);
  }
  ctx.restore();
}

function sizeOf(element: HTMLElement): { width: number; height: number } {
  return { width: Math.max(200, element.clientWidth), height: HEIGHT };
}

const HEIGHT = 180;
/** A line that has just begun is not a dot at the edge. */
const WINDOW_S_MIN = 60;
const WINDOW_S_MAX = 300;
/** A scale needs some height, also where nothing happens. */
const LEAST = 0.001;
