import type { Data, Row } from './data.ts';
import { anyReference, anyValue, isForeignKey, oneValue, related } from './data.ts';
import type { Exposure, Step } from './declaration.ts';
import { bulkOperations, isSortable, visibleColumns, writableColumns } from './declaration.ts';
import { aggregate, groupBy } from './group-requests.ts';
import type { Json, Oracle } from './oracle.ts';
import type { Expected, Maker, Request } from './request.ts';
import { answer, refusal } from './request.ts';
import type { Key, Model } from './schema.ts';
import { primaryKey } from './schema.ts';
import type { Names } from './where.ts';
import { namesOfTools, randomWhere } from './where.ts';
import { change, changeAll, insert, insertAll, remove, removeAll } from './writing.ts';

type Make = (maker: Maker, exposure: Exposure, names: Names) => Pick<Request, 'params' | 'expect'>;

/** By operation. */
const makers: Readonly<Record<string, Make>> = {
  findMany: (maker, exposure, names) => {
    const { random } = maker;
    const { model, take: most } = exposure;
    const where = random.chance(0.75) ? randomWhere(maker, names, model.key) : undefined;
    const select = randomSelect(maker, exposure);
    const steps = random.chance(0.4) ? randomOrder(maker, exposure) : undefined;
    const take = random.chance(0.3) ? random.between(1, most) : undefined;
    const isTakeWrong = maker.strays();
    const distinct = random.chance(0.15) ? randomDistinct(maker, exposure) : undefined;
    const first = distinct === undefined && random.chance(0.2) ? maker.anyRow(model.key) : undefined;
    const cursor = first && Buffer.from(JSON.stringify(primaryKey(model).fields.map(name => first[name]))).toString('base64url');
    return {
      params: {
        where,
        select,
        orderBy: steps?.map(([name, direction]) => ({ [name]: direction })),
        take: isTakeWrong ? random.pick([0, most + 1, -1]) : take,
        cursor,
        distinct,
      },
      expect: oracle => {
        const page = pageOf(oracle, exposure, { where, steps: steps ?? exposure.orderBy, first });
        if (page === undefined) return refusal('missing');
        if (distinct !== undefined) {
          const { nextCursor: _, ...rest } = pageJson(oracle, exposure, distinctRows(page.rows, distinct), { take: take ?? most, select });
          return answer(rest);
        }
        const json = answer(pageJson(oracle, exposure, page.rows, { take: take ?? most, select }));
        return page.isVague ? { ...json, or: { rows: [] } } : json;
      },
    };
  },
  findFirst: (maker, exposure, names) => {
    const { random } = maker;
    const where = random.chance(0.85) ? randomWhere(maker, names, exposure.model.key) : undefined;
    const select = randomSelect(maker, exposure);
    const steps = random.chance(0.5) ? randomOrder(maker, exposure) : undefined;
    return {
      params: { where, select, orderBy: steps && Object.fromEntries(steps) },
      expect: oracle => {
        const [row] = pageOf(oracle, exposure, { where, steps: steps ?? exposure.orderBy, first: undefined })?.rows ?? [];
        return row === undefined ? refusal('missing') : answer(oracle.rowJson(exposure, row, select));
      },
    };
  },
  aggregate,
  groupBy,
  count: (maker, { model }, names) => {
    const where = maker.random.chance(0.9) ? randomWhere(maker, names, model.key) : undefined;
    return { params: { where }, expect: oracle => answer({ count: oracle.matching(model.key, where, 'count').length }) };
  },
  findUnique: (maker, exposure) => {
    const { where, find } = randomUnique(maker, exposure);
    const select = randomSelect(maker, exposure);
    return {
      params: { where, select },
      expect: oracle => {
        const row = find(oracle, 'findUnique');
        return row === undefined ? refusal('missing') : answer(oracle.rowJson(exposure, row, select));
      },
    };
  },
  create: (maker, exposure) => {
    const data = randomData(maker, exposure, 'create');
    return { params: { data }, expect: oracle => expectCreate(oracle, exposure, data) };
  },
  update: (maker, exposure) => {
    const { where, find } = randomUnique(maker, exposure);
    const data = randomData(maker, exposure, 'update');
    return { params: { where, data }, expect: oracle => expectUpdate(oracle, exposure, find(oracle, 'update'), data) };
  },
  delete: (maker, exposure) => {
    const { where, find } = randomUnique(maker, exposure);
    return {
      params: { where },
      expect: oracle => {
        const row = find(oracle, 'delete');
        if (row === undefined) return refusal('missing');
        const next = remove(oracle.setting.schema, oracle.data, exposure.model, row);
        if (typeof next === 'string') return refusal(next);
        return answer(oracle.rowJson({ ...exposure, included: [], counts: [] }, row), next);
      },
    };
  },
};

const bulkMakers: Readonly<Record<string, Make>> = {
  createMany: (maker, exposure) => {
    const items = Array.from({ length: maker.random.between(1, 3) }, () => randomData(maker, exposure, 'create'));
    return { params: { data: items }, expect: oracle => expectCreateMany(oracle, exposure, items) };
  },
  updateMany: (maker, exposure, names) => {
    const where = randomFilter(maker, exposure, names);
    const data = randomData(maker, exposure, 'update');
    const dryRun = maker.random.chance(0.2) || undefined;
    return {
      params: { where, data, dryRun },
      expect: oracle => expectMany(oracle, exposure, { operation: 'update', where, data, dryRun }),
    };
  },
  deleteMany: (maker, exposure, names) => {
    const where = randomFilter(maker, exposure, names);
    const dryRun = maker.random.chance(0.2) || undefined;
    return { params: { where, dryRun }, expect: oracle => expectMany(oracle, exposure, { operation: 'delete', where, dryRun }) };
  },
  upsert: (maker, exposure) => {
    const { where, find } = randomUnique(maker, exposure);
    const [create, update] = [randomData(maker, exposure, 'create'), randomData(maker, exposure, 'update')];
    return {
      params: { where, create, update },
      expect: oracle => {
        const row = find(oracle, 'update');
        return row === undefined ? expectCreate(oracle, exposure, create) : expectUpdate(oracle, exposure, row, update);
      },
    };
  },
};

/** A random call of a tool of a model. */
export function toolRequest(maker: Maker, exposure: Exposure, operation: string): Request {
  const { params, expect } = ((makers[operation] ?? bulkMakers[operation]) as Make)(maker, exposure, namesOfTools(maker));
  if (maker.strays()) params.nothing = 1;
  return {
    surface: 'tool',
    operation,
    method: 'tools/call',
    params: { name: `${exposure.model.key}_${operation}`, arguments: params },
    isWrite: ['create', 'update', 'delete', ...bulkOperations].includes(operation),
    expect: maker.isLawful ? expect : () => refusal('unlawful'),
  };
}

/** The rows of all pages after a cursor. `undefined` if the caller cannot see the row of the cursor. */
function pageOf(
  oracle: Oracle,
  { model }: Exposure,
  { where, steps, first }: { where: Json; steps: readonly Step[]; first: Row | undefined },
): { rows: readonly Row[]; isVague: boolean } | undefined {
  const rows = oracle.sorted(model, oracle.matching(model.key, where, 'findMany'), steps);
  if (first === undefined) return { rows, isVague: false };
  const { fields } = primaryKey(model);
  const cursor = oracle.admitted(model.key, 'findMany').find(row => fields.every(name => row[name] === first[name]));
  // The tool skips the row of the cursor. Where `where` excludes that one, it skips the first row, or Prisma finds nothing at all.
  return cursor && { rows: oracle.from(model, rows, cursor, steps).slice(1), isVague: !rows.includes(cursor) };
}

/** The first page of these rows. */
export function pageJson(
  oracle: Oracle,
  exposure: Exposure,
  rows: readonly Row[],
  { take, select }: { take: number; select?: Json },
): Json {
  const page = rows.slice(0, take);
  const json = { rows: page.map(row => oracle.rowJson(exposure, row, select)) };
  const last = page.at(-1);
  if (rows.length <= take || last === undefined) return json;
  const key = primaryKey(exposure.model).fields.map(name => last[name]);
  return { ...json, nextCursor: Buffer.from(JSON.stringify(key)).toString('base64url'), truncated: true };
}

function randomSelect(maker: Maker, exposure: Exposure): Record<string, boolean> | undefined {
  const { random } = maker;
  if (!random.chance(0.3)) return undefined;
  const names = [...visibleColumns(exposure).map(({ name }) => name), ...exposure.included.map(({ relation }) => relation.name)];
  if (exposure.counts.length > 0) names.push('_count');
  const select: Record<string, boolean> = { [random.pick(names)]: true };
  for (const name of names) if (random.chance(0.3)) select[name] ??= random.chance(0.8);
  const forbidden = [...exposure.model.columns.keys(), ...exposure.model.relations.keys(), 'vaults'].filter(name => !names.includes(name));
  if (forbidden.length > 0 && maker.strays()) select[random.pick(forbidden)] = random.chance(0.9);
  return select;
}

function randomOrder(maker: Maker, exposure: Exposure): Step[] {
  const { random } = maker;
  const names = visibleColumns(exposure)
    .filter(isSortable)
    .map(({ name }) => name);
  const chosen = [...new Set([random.pick(names), ...(random.chance(0.4) ? [random.pick(names)] : [])])];
  const hidden = [...exposure.hidden, ...exposure.model.relations.keys()];
  if (hidden.length > 0 && maker.strays()) chosen.unshift(random.pick(hidden));
  return chosen.map((name): Step => [name, random.pick(['asc', 'desc'])]);
}

/** Columns to tell rows apart by, and now and then one that the caller must not name. */
function randomDistinct(maker: Maker, exposure: Exposure): string[] {
  const names = visibleColumns(exposure).filter(isSortable);
  const chosen = [...new Set([maker.random.pick(names).name, maker.random.pick(names).name])];
  const forbidden = [...exposure.hidden, ...exposure.model.relations.keys()];
  if (forbidden.length > 0 && maker.strays()) chosen.push(maker.random.pick(forbidden));
  return chosen;
}

/** The first row of those that are equal in some columns. */
export function distinctRows(rows: readonly Row[], names: readonly string[]): Row[] {
  const isSame = (one: Row, other: Row) => names.every(name => (one[name] ?? null) === (other[name] ?? null));
  return rows.filter((row, at) => rows.findIndex(other => isSame(row, other)) === at);
}

/** A unique `where`: by any visible key, of any row or none. */
function randomUnique(
  maker: Maker,
  { model, hidden }: Exposure,
): { where: Json; find: (oracle: Oracle, operation: string) => Row | undefined } {
  const { random } = maker;
  const keys = model.keys.filter(({ fields }) => fields.every(name => !hidden.has(name)));
  const key = random.pick(keys);
  const row = random.chance(0.92) ? maker.anyRow(model.key) : undefined;
  const values: Row = row ?? Object.fromEntries(key.fields.map(name => [name, model.columns.get(name)?.type === 'Int' ? 99 : 'none']));
  const where: Json = uniqueWhere(key, values);
  if (maker.strays()) {
    const other = [...hidden, ...model.relations.keys(), 'AND', 'OR'];
    where[random.pick(other)] = random.pick<Json>([1, {}, [], { is: {} }, [{ [model.keys[0]?.fields[0] ?? '']: 1 }]]);
  }
  return { where, find: (oracle, operation) => oracle.admitted(model.key, operation).find(each => isNamed(key, each, values)) };
}

/** `{ id: 1 }`, `{ personId_roomId: { personId: 1, roomId: 'k1' } }` */
export function uniqueWhere({ name, fields }: Key, row: Row): Json {
  const values = Object.fromEntries(fields.map(field => [field, row[field]]));
  return fields.length > 1 ? { [name]: values } : values;
}

function isNamed({ fields }: Key, row: Row, values: Row): boolean {
  return fields.every(name => row[name] === values[name]);
}

/** Random values for columns that the caller may write, and now and then for one that it may not. */
function randomData(maker: Maker, exposure: Exposure, operation: 'create' | 'update'): Json {
  const { random, caller } = maker;
  const { model, forced } = exposure;
  const data: Json = {};
  const writable = writableColumns(exposure, operation, caller);
  const only = operation === 'update' && writable.length > 0 ? random.pick(writable).name : undefined;
  for (const column of writable) {
    const isNeeded = column.initial === undefined;
    if (operation === 'create' ? isNeeded || random.chance(0.6) : column.name === only || random.chance(0.15)) {
      data[column.name] = writtenValue(maker, model, column.name);
    }
  }
  if (operation === 'update' && only === undefined) maker.isLawful = forced !== undefined;
  if (maker.strays()) {
    const names = new Set(writable.map(({ name }) => name));
    const others = [...model.columns.keys(), ...model.relations.keys()].filter(name => !names.has(name));
    const needed = writable.filter(({ initial }) => initial === undefined);
    if (operation === 'create' && needed.length > 0 && random.chance(0.3)) delete data[random.pick(needed).name];
    else if (others.length > 0) data[random.pick(others)] = random.pick<Json>([1, 'ab', null, { connect: { id: 1 } }]);
    else data['nothing'] = 1;
  }
  return data;
}

/** A value to write: for a foreign key mostly one that exists, also of rows that the caller cannot see. */
export function writtenValue(maker: Maker, model: Model, name: string): unknown {
  const { random, data } = maker;
  const column = model.columns.get(name);
  if (column === undefined) return undefined;
  if (isForeignKey(model, name)) {
    if (random.chance(0.07)) return column.type === 'Int' ? 99 : 'none';
    return anyReference(data, model, name, random) ?? (column.nullable ? null : 99);
  }
  if (column.isId)
    return random.chance(0.15)
      ? maker.anyRow(model.key)?.[name]
      : column.type === 'Int'
        ? random.between(40, 60)
        : `n${random.between(1, 9)}`;
  if (name === 'slot') return random.between(0, 9);
  if (name === 'label' && model.key === 'tag') return `t${random.between(1, 12)}`;
  const value = anyValue(column, random);
  return column.list && value === null ? [oneValue(column, random)] : value;
}

function expectCreate(oracle: Oracle, exposure: Exposure, data: Json): Expected {
  const { model, forced } = exposure;
  const values = forced?.values(oracle.caller) ?? {};
  const initial = [...model.columns.values()].map(({ name, initial: value }) => [name, value] as const);
  const row: Row = { ...Object.fromEntries(initial), ...data, ...values };
  if (!mayRefer(oracle, model, row, name => Object.hasOwn(data, name) && !Object.hasOwn(values, name))) return refusal('reference');
  return settle(oracle, exposure, row, insert(oracle.data, model, row), 'create');
}

function expectUpdate(oracle: Oracle, exposure: Exposure, row: Row | undefined, data: Json): Expected {
  const { model, forced } = exposure;
  const values = forced?.values(oracle.caller) ?? {};
  const changed: Row = { ...row, ...data, ...values };
  if (!mayRefer(oracle, model, changed, name => Object.hasOwn(data, name) && !Object.hasOwn(values, name))) return refusal('reference');
  if (row === undefined) return refusal('missing');
  return settle(oracle, exposure, changed, change(oracle.data, model, row, changed), 'update');
}

/** A filter that some row could fail, so that it is not refused as one that every row meets. Often it names few rows. */
function randomFilter(maker: Maker, { model }: Exposure, names: Names): Json {
  const { random } = maker;
  const { fields } = primaryKey(model);
  const [field = ''] = fields;
  const values = Array.from({ length: random.between(1, 3) }, () => maker.anyRow(model.key)?.[field]).filter(value => value !== undefined);
  const named = random.chance(0.6) ? { in: values } : { not: model.columns.get(field)?.type === 'Int' ? 99 : 'none' };
  const where = random.chance(0.7) ? randomWhere(maker, names, model.key) : {};
  return { AND: [{ [field]: named }, where] };
}

function expectCreateMany(oracle: Oracle, exposure: Exposure, items: readonly Json[]): Expected {
  const { model, forced, maxWrites } = exposure;
  if (items.length > maxWrites) return refusal('unlawful');
  const values = forced?.values(oracle.caller) ?? {};
  const initial = [...model.columns.values()].map(({ name, initial: value }) => [name, value] as const);
  const rows = items.map((data): Row => ({ ...Object.fromEntries(initial), ...data, ...values }));
  const isLawful = rows.every((row, index) =>
    mayRefer(oracle, model, row, name => Object.hasOwn(items[index] ?? {}, name) && !Object.hasOwn(values, name)),
  );
  if (!isLawful) return refusal('reference');
  const shapes = new Set(
    items.map(data =>
      Object.keys({ ...data, ...values })
        .sort()
        .join(),
    ),
  );
  let next: Data | string = oracle.data;
  // Rows with the same columns are created by one statement, others one by one.
  if (shapes.size === 1) next = insertAll(oracle.data, model, rows);
  else for (const row of rows) if (typeof next !== 'string') next = insert(next, model, row);
  if (typeof next === 'string') return refusal(next as 'taken');
  const after = oracle.over(next);
  if (!rows.every(row => after.admits(model.key, row, 'create'))) return refusal('outside');
  return answer({ count: rows.length, keys: rows.map(row => uniqueWhere(primaryKey(model), row)) }, next);
}

/** What `updateMany` and `deleteMany` must be answered. */
function expectMany(
  oracle: Oracle,
  { model, forced, maxWrites }: Exposure,
  { operation, where, data, dryRun }: { operation: 'update' | 'delete'; where: Json; data?: Json; dryRun: boolean | undefined },
): Expected {
  const rows = oracle.sorted(model, oracle.matching(model.key, where, operation), []);
  const { length: count } = rows;
  if (count > maxWrites) return refusal('unlawful');
  if (dryRun === true) return answer({ count, keys: rows.map(row => uniqueWhere(primaryKey(model), row)), dryRun: true });
  if (data === undefined) {
    const next = removeAll(oracle.setting.schema, oracle.data, model, rows);
    return typeof next === 'string' ? refusal(next) : answer({ count }, next);
  }
  const values = forced?.values(oracle.caller) ?? {};
  const changed = new Map(rows.map((row): [Row, Row] => [row, { ...row, ...data, ...values }]));
  const isSet = (name: string) => Object.hasOwn(data, name) && !Object.hasOwn(values, name);
  if (![...changed.values()].every(row => mayRefer(oracle, model, row, isSet))) return refusal('reference');
  const next = changeAll(oracle.data, model, changed);
  if (typeof next === 'string') return refusal(next);
  const after = oracle.over(next);
  return [...changed.values()].every(row => after.admits(model.key, row, 'update')) ? answer({ count }, next) : refusal('outside');
}

function settle(oracle: Oracle, exposure: Exposure, row: Row, next: Data | string, operation: string): Expected {
  if (typeof next === 'string') return refusal(next as 'taken');
  const after = oracle.over(next);
  return after.admits(exposure.model.key, row, operation) ? answer(after.rowJson(exposure, row), next) : refusal('outside');
}

/** Whether the foreign keys that a write sets name rows that the caller can see. Models without a policy are left to the database. */
export function mayRefer(oracle: Oracle, model: Model, row: Row, isSet: (name: string) => boolean): boolean {
  return [...model.relations.values()].every(relation => {
    const { from, target } = relation;
    if (!from.some(isSet) || oracle.setting.declaration.get(target)?.policy === undefined) return true;
    if (from.some(name => row[name] === null)) return true;
    const seen = oracle.admitted(target, 'findMany');
    return related(oracle.data, relation, row).some(other => seen.includes(other));
  });
}
