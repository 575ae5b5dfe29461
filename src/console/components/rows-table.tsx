import { useState } from 'preact/hooks';
import type { JsonObject } from '../../protocol/definitions.ts';
import { ScrollBox } from './parts.tsx';
import { columnsIn, compareCells } from './results.ts';
import { Value } from './value.tsx';

/** Rows as a table. A click on the name of a column sorts the rows that are shown. The table scrolls inside its own box. */
export function RowsTable({ rows, label }: { rows: readonly JsonObject[]; label: string }) {
  const [sorted, setSorted] = useState<{ column: string; isDescending: boolean }>();
  const columns = columnsIn(rows);
  const shown =
    sorted === undefined
      ? rows
      : rows.toSorted((a, b) => compareCells(a[sorted.column], b[sorted.column]) * (sorted.isDescending ? -1 : 1));
  const sortBy = (column: string) => setSorted({ column, isDescending: sorted?.column === column && !sorted.isDescending });
  return (
    <ScrollBox label={label}>
      <table>
        <thead>
          <tr>
            {columns.map(column => {
              const isSorted = sorted?.column === column;
              return (
                <th key={column} scope="col" aria-sort={isSorted ? (sorted.isDescending ? 'descending' : 'ascending') : 'none'}>
                  <button type="button" class="sort" onClick={() => sortBy(column)}>
                    {column}
                    <span class="sort-mark" aria-hidden="true">
                      {isSorted ? (sorted.isDescending ? '↓' : '↑') : ''}
                    </span>
                  </button>
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {shown.map((row, index) => (
            <tr key={index}>
              {columns.map(column => (
                <td key={column} class={typeof row[column] === 'number' ? 'number' : ''}>
                  <Value value={row[column]} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}
