import { isDeepStrictEqual } from 'node:util';
import type { Random } from '../chaos/random.ts';
import type { Data, Link, Row } from './data.ts';
import { anyReference, anyValue, idOf, isConsistent, isForeignKey, linksOf, rowsOf, withLinks, withRandomRow, withRows } from './data.ts';
import { joinTables } from './database.ts';
import { isFilterable } from './declaration.ts';
import type { Json, Setting } from './oracle.ts';
import { Oracle, valueJson } from './oracle.ts';
import type { Caller } from './policies.ts';
import type { Model } from './schema.ts';
import { modelOf, primaryKey } from './schema.ts';
import { remove } from './writing.ts';

/** What a twin may differ in: rows that the caller cannot see, or hidden columns too. The host's code sees every column of a visible row. */
export type TwinKind = 'rows' | 'columns';

const attempts = 30;

/** Other data in which the caller sees the same: rows and columns out of its sight are changed, added and removed. */
export function twinOf(setting: Setting, data: Data, caller: Caller, kind: TwinKind, random: Random): Data {
  const { schema } = setting;
  const seen = viewOf(new Oracle(setting, data, caller), kind);
  const keys = [...schema.keys()];
  let twin = data;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const next = changed(setting, twin, caller, random.pick(keys), kind, random);
    if (next === twin || !isConsistent(schema, next)) continue;
    if (isDeepStrictEqual(viewOf(new Oracle(setting, next, caller), kind), seen)) twin = next;
  }
  return twin;
}

/** Everything that a caller can find out: rows with their columns and relations, and what it may write. */
function viewOf(oracle: Oracle, kind: TwinKind): Json {
  const { declaration, schema } = oracle.setting;
  const views = [...schema.values()].map(model => {
    const exposure = declaration.get(model.key);
    if (exposure === undefined && kind === 'columns') return [];
    const { key } = model;
    const relations = [...model.relations.values()].filter(
      relation => kind === 'rows' || (exposure !== undefined && isFilterable(declaration, exposure, relation)),
    );
    const rows = oracle.admitted(key, 'findMany').map(row => {
      const columns = kind === 'columns' && exposure !== undefined ? oracle.rowJson(exposure, row) : scalars(model, row);
      const links = relations.map(relation => oracle.related(relation, row).map(other => id(modelOf(schema, relation.target), other)));
      return [id(model, row), columns, links.map(ids => ids.sort())];
    });
    const writable = oracle.admitted(key, 'update').map(row => id(model, row));
    return [rows.sort(byId), writable.sort()];
  });
  return views;
}

function changed(setting: Setting, data: Data, caller: Caller, key: string, kind: TwinKind, random: Random): Data {
  const { schema, declaration } = setting;
  const model = modelOf(schema, key);
  const kindOfChange = random.next();
  if (kindOfChange < 0.2) {
    const table = random.pick(joinTables);
    return toggled(data, table, random);
  }
  if (kindOfChange < 0.35) return withRandomRow(schema, data, key, random.between(20, 30), random);
  const rows = rowsOf(data, key);
  const seen = new Set(new Oracle(setting, data, caller).admitted(key, 'findMany'));
  const unseen = rows.filter(row => !seen.has(row));
  if (kindOfChange < 0.5 && unseen.length > 0) {
    const next = remove(schema, data, model, random.pick(unseen));
    return typeof next === 'string' ? data : next;
  }
  const hidden = kind === 'columns' ? [...(declaration.get(key)?.hidden ?? [])] : [];
  const row = random.pick(hidden.length > 0 || unseen.length === 0 ? rows : unseen);
  if (row === undefined) return data;
  const names = (seen.has(row) ? hidden : [...model.columns.keys()]).filter(name => model.columns.get(name)?.isId === false);
  if (names.length === 0) return data;
  const name = random.pick(names);
  const column = model.columns.get(name);
  const value = isForeignKey(model, name) ? anyReference(data, model, name, random) : column && anyValue(column, random);
  const other: Row = { ...row, [name]: value };
  return withRows(
    data,
    key,
    rows.map(each => (each === row ? other : each)),
  );
}

function toggled(data: Data, table: (typeof joinTables)[number], random: Random): Data {
  const lefts = rowsOf(data, table === '_PersonToTag' ? 'person' : 'doc');
  const rights = rowsOf(data, 'tag');
  if (lefts.length === 0 || rights.length === 0) return data;
  const [a, b] = [random.pick(lefts)['id'] as number, random.pick(rights)['id'] as number];
  const links = linksOf(data, table);
  const without = links.filter(([x, y]) => x !== a || y !== b);
  return withLinks(data, table, without.length < links.length ? without : [...links, [a, b] as Link]);
}

function id(model: Model, row: Row): string {
  return idOf(primaryKey(model), row);
}

function scalars(model: Model, row: Row): Json {
  return Object.fromEntries([...model.columns.keys()].map(name => [name, valueJson(model, name, row[name])]));
}

function byId([one]: Json, [other]: Json): number {
  return one < other ? -1 : 1;
}
