import type { Column } from './columns.ts';
import type { Selection } from './include.ts';
import { truncatedKey } from './include.ts';
import type { Row } from './scoped-selection.ts';

/** Turns a row from Prisma into JSON; only what the selection names gets out. */
export type RowToJson = (row: Row) => Row;

const writers = new WeakMap<Selection, RowToJson>();

/** The writer of a selection, compiled once. */
export function rowToJson(selection: Selection): RowToJson {
  let writer = writers.get(selection);
  if (writer === undefined) {
    writer = compileWriter(selection);
    writers.set(selection, writer);
  }
  return writer;
}

function compileWriter(selection: Selection): RowToJson {
  const columns = selection.columns.map(compileColumn);
  const relations = selection.relations.map(({ relation, selection: part, take }) => ({
    name: relation.name,
    take: take ?? 0,
    write: rowToJson(part),
  }));
  const { counts } = selection;
  return row => {
    const out: Row = {};
    for (const { name, toJson } of columns) {
      const value = row[name];
      out[name] = toJson === undefined || value === null || value === undefined ? (value ?? null) : toJson(value);
    }
    for (const { name, take, write } of relations) {
      const value = row[name] as Row | Row[] | null;
      if (!Array.isArray(value)) out[name] = value === null ? null : write(value);
      else {
        if (value.length > take) out[truncatedKey] = [...((out[truncatedKey] as string[] | undefined) ?? []), name];
        out[name] = value.slice(0, take).map(write);
      }
    }
    if (counts.length > 0) {
      const counted = row['_count'] as Row;
      out['_count'] = Object.fromEntries(counts.map(name => [name, counted[name]]));
    }
    return out;
  };
}

function compileColumn({ name, type: { toJson }, list }: Column): { name: string; toJson: ((value: unknown) => unknown) | undefined } {
  if (toJson === undefined || !list) return { name, toJson };
  return { name, toJson: value => (value as unknown[]).map(toJson) };
}
