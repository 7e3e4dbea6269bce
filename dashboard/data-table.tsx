import type { ComponentChildren, JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { memo } from "./memo.ts";
import { plural } from "./wording.ts";

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row, name: string) => ComponentChildren;
  /** What rows are ordered by, where they may be. */
  readonly by?: (row: Row, name: string) => number | string;
  readonly isNumber?: boolean;
}

interface Properties<Row> {
  readonly caption: string;
  /** What a row is, for the count of them. */
  readonly noun: string;
  readonly rows: readonly (readonly [name: string, row: Row])[];
  /** The first one names the row. */
  readonly columns: readonly Column<Row>[];
  readonly empty: string;
  /** By name when it is left out. */
  readonly order?: (row: Row) => number;
}

/** Rows with names, which may be ordered by each column and searched by name. A row that has not changed is not rendered again. */
export function DataTable<Row extends object>(properties: Properties<Row>): JSX.Element {
  const { caption, noun, rows, columns, empty, order } = properties;
  const [sought, setSought] = useState("");
  const [sorting, setSorting] = useState<{ readonly title: string; readonly isDown: boolean }>();
  const shown = useMemo(() => {
    const found = rows.filter(([name]) => name.toLowerCase().includes(sought.toLowerCase()));
    const column = columns.find(({ title }) => title === sorting?.title);
    const by = column?.by ?? order ?? ((_: Row, name: string) => name);
    const sign = sorting?.isDown === true ? -1 : 1;
    return found.toSorted(([a, one], [b, other]) => sign * compare(by(one, a), by(other, b)));
  }, [rows, columns, order, sought, sorting]);
  const sortBy = (title: string, isNumber: boolean): void =>
    setSorting((now) =>
      now?.title === title ? { title, isDown: !now.isDown } : { title, isDown: isNumber },
    );
  return (
    <>
      <TableBar noun={noun} shown={shown.length} all={rows.length} sought={sought} onSeek={setSought} />
      <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
        <table>
          <caption class="unseen">{caption}</caption>
          <thead>
            <tr>
              {columns.map(({ title, by, isNumber = false }) => (
                <th
                  key={title}
                  scope="col"
                  class={isNumber ? "number" : undefined}
                  aria-sort={
                    sorting?.title === title ? (sorting.isDown ? "descending" : "ascending") : undefined
                  }
                >
                  {by === undefined ? (
                    title
                  ) : (
                    <button type="button" class="sort" onClick={() => sortBy(title, isNumber)}>
                      {title}
                    </button>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map(([name, row]) => (
              <TableRow key={name} name={name} row={row} columns={columns as readonly Column<object>[]} />
            ))}
          </tbody>
        </table>
        {shown.length === 0 && <p class="quiet">{rows.length === 0 ? empty : `No ${noun} is named so.`}</p>}
      </div>
    </>
  );
}

interface BarProperties {
  readonly noun: string;
  readonly shown: number;
  readonly all: number;
  readonly sought: string;
  readonly onSeek: (text: string) => void;
}

function TableBar({ noun, shown, all, sought, onSeek }: BarProperties): JSX.Element | null {
  if (all < SEARCHED_FROM) return null;
  return (
    <div class="bar">
      <label>
        Find{" "}
        <input
          type="search"
          placeholder={`a ${noun}'s name`}
          value={sought}
          onInput={({ currentTarget }) => onSeek(currentTarget.value)}
        />
      </label>
      <span class="quiet">{shown === all ? plural(all, noun) : `${shown} of ${plural(all, noun)}`}</span>
    </div>
  );
}

const TableRow = memo<{
  readonly name: string;
  readonly row: object;
  readonly columns: readonly Column<object>[];
}>(({ name, row, columns }) => (
  <tr>
    {columns.map(({ title, cell, isNumber }, at) =>
      at === 0 ? (
        <th key={title} scope="row">
          {cell(row, name)}
        </th>
      ) : (
        <td key={title} class={isNumber === true ? "number" : undefined}>
          {cell(row, name)}
        </td>
      ),
    )}
  </tr>
));

function compare(one: number | string, other: number | string): number {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), undefined, { numeric: true });
}

/** Fewer are seen at a glance. */
const SEARCHED_FROM = 12;
