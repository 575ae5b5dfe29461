import type { Data, Row } from './data.ts';
import { isReferring, linksOf, related, rowsOf, sameIn, withLinks, withRows } from './data.ts';
import type { Model, Relation, Schema } from './schema.ts';
import { modelOf, onDelete } from './schema.ts';

/** Why the database refuses a write. */
export type Conflict = 'taken' | 'reference' | 'restricted';

/** The data after a row is added, or why it cannot be. */
export function insert(data: Data, model: Model, row: Row): Data | Conflict {
  const rows = rowsOf(data, model.key);
  if (rows.some(other => isTaken(model, row, other))) return 'taken';
  const next = withRows(data, model.key, [...rows, row]);
  return isReferring(next, model, row) ? next : 'reference';
}

/** The data after a row is changed, or why it cannot be. The primary key never changes. */
export function change(data: Data, model: Model, row: Row, changed: Row): Data | Conflict {
  const rows = rowsOf(data, model.key);
  if (rows.some(other => other !== row && isTaken(model, changed, other))) return 'taken';
  const next = withRows(
    data,
    model.key,
    rows.map(other => (other === row ? changed : other)),
  );
  return isReferring(next, model, changed) ? next : 'reference';
}

/** The data after one statement adds rows: it looks at unique keys before foreign keys, and rows may refer to each other. */
export function insertAll(data: Data, model: Model, added: readonly Row[]): Data | Conflict {
  const rows = [...rowsOf(data, model.key)];
  for (const row of added) {
    if (rows.some(other => isTaken(model, row, other))) return 'taken';
    rows.push(row);
  }
  const next = withRows(data, model.key, rows);
  return added.every(row => isReferring(next, model, row)) ? next : 'reference';
}

/** The same for one statement that changes rows. All of them get the same values. */
export function changeAll(data: Data, model: Model, changed: ReadonlyMap<Row, Row>): Data | Conflict {
  const rows = rowsOf(data, model.key).map(row => changed.get(row) ?? row);
  if (
    rows.some((row, index) => [...changed.values()].includes(row) && rows.some((other, at) => at !== index && isTaken(model, row, other)))
  )
    return 'taken';
  const next = withRows(data, model.key, rows);
  return [...changed.values()].every(row => isReferring(next, model, row)) ? next : 'reference';
}

/** The same for one statement that deletes rows. */
export function removeAll(schema: Schema, data: Data, model: Model, rows: readonly Row[]): Data | Conflict {
  let next: Data | Conflict = data;
  for (const row of rows) {
    next = remove(schema, next, model, row, rows);
    if (typeof next === 'string') return next;
  }
  return next;
}

/**
 * The data after a row is deleted, with the rows that the database deletes or changes with it, or why it cannot be.
 *
 * @param gone Rows that the same statement deletes.
 */
export function remove(schema: Schema, data: Data, model: Model, row: Row, gone: readonly Row[] = [row]): Data | Conflict {
  const referring = [...model.relations.values()].filter(({ back }) => back.length > 0);
  let next: Data | Conflict = data;
  for (const relation of referring) {
    const action = actionOf(relation);
    const others: readonly Row[] = related(data, relation, row).filter(other => !gone.includes(other));
    if (action === 'refuse' && others.length > 0) return 'restricted';
    for (const other of others) {
      if (typeof next === 'string') return next;
      const target = modelOf(schema, relation.target);
      if (action === 'cascade') next = remove(schema, next, target, other);
      else next = change(next, target, other, { ...other, ...Object.fromEntries(relation.back.map(name => [name, null])) });
    }
  }
  if (typeof next === 'string') return next;
  for (const { join } of model.relations.values()) {
    if (join === undefined) continue;
    const links = linksOf(next, join.table).filter(link => link[join.side] !== row['id']);
    next = withLinks(next, join.table, links);
  }
  return withRows(
    next,
    model.key,
    rowsOf(next, model.key).filter(other => other !== row),
  );
}

function actionOf({ target, opposite }: Relation): 'cascade' | 'null' | 'refuse' {
  return onDelete[`${target}.${opposite}`] ?? 'refuse';
}

function isTaken(model: Model, one: Row, other: Row): boolean {
  return model.uniques.some(fields => fields.every(name => one[name] !== null) && sameIn(fields, one, other));
}
