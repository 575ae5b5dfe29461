import type { Data, Row } from './data.ts';
import { linksOf, related, rowsOf, withLinks, withRows } from './data.ts';
import type { Step } from './declaration.ts';
import { isSortable } from './declaration.ts';
import { compare } from './filter.ts';
import { figures } from './group-requests.ts';
import type { Json, Oracle } from './oracle.ts';
import { valueJson } from './oracle.ts';
import type { Expected, Maker, Request } from './request.ts';
import { answer, refusal } from './request.ts';
import type { Column, Model, Relation } from './schema.ts';
import { modelOf, primaryKey } from './schema.ts';
import { distinctRows, mayRefer, uniqueWhere, writtenValue } from './tool-requests.ts';
import type { Names } from './where.ts';
import { namesOfPrisma, randomWhere } from './where.ts';
import { change, insert, remove } from './writing.ts';

type Make = (maker: Maker, model: Model, names: Names) => { args: Json; expect: Request['expect'] };

/** The operations of `ctx.prisma` that read, and how often they are tried. */
const reads: Readonly<Record<string, Make>> = {
  findMany: (maker, model, names) => list(maker, model, names, false),
  findFirst: (maker, model, names) => list(maker, model, names, true),
  findUnique: (maker, model, names) => one(maker, model, names, false),
  findUniqueOrThrow: (maker, model, names) => one(maker, model, names, true),
  count: (maker, model, names) => {
    const where = randomWhere(maker, names, model.key);
    return { args: { where }, expect: oracle => answer(oracle.matching(model.key, where, 'findMany').length) };
  },
  aggregate: (maker, model, names) => {
    const where = randomWhere(maker, names, model.key);
    const columns = aggregated(model);
    const flagsOf = (some: readonly Column[]) => Object.fromEntries(some.map(({ name }) => [name, true]));
    const flags = flagsOf(columns);
    const numbers = columns.filter(({ type }) => ['Int', 'BigInt', 'Float', 'Decimal'].includes(type));
    const sums = numbers.length > 0 ? { _sum: flagsOf(numbers) } : {};
    const args = { where, _count: { _all: true, ...flags }, ...(columns.length > 0 && { _min: flags, _max: flags }), ...sums };
    return {
      args,
      expect: oracle => {
        const rows = oracle.matching(model.key, where, 'findMany');
        return answer({ ...aggregateJson(model, rows), ...figures(columns, sums, rows) });
      },
    };
  },
  groupBy: (maker, model, names) => {
    const where = randomWhere(maker, names, model.key);
    const by = maker.random.pick([...model.columns.values()].filter(isSortable));
    const least = maker.random.chance(0.3) ? maker.random.between(1, 3) : 0;
    const [key] = primaryKey(model).fields as [string];
    const having = least > 0 ? { [key]: { _count: { gte: least } } } : undefined;
    const args = { by: [by.name], where, having, _count: { _all: true }, orderBy: { [by.name]: 'asc' } };
    return {
      args,
      expect: oracle => {
        const rows = oracle.sorted(model, oracle.matching(model.key, where, 'findMany'), [[by.name, 'asc']]);
        const values = [...new Set(rows.map(row => row[by.name]))];
        const size = (value: unknown) => rows.filter(row => row[by.name] === value).length;
        return answer(values.filter(value => size(value) >= least).map(value => ({ [by.name]: value, _count: { _all: size(value) } })));
      },
    };
  },
};

const writes: Readonly<Record<string, Make>> = {
  create: (maker, model) => {
    const data = dataFor(maker, model, 'create');
    return { args: { data }, expect: oracle => expectInsert(oracle, model, data, ['create']) };
  },
  createMany: (maker, model) => {
    const rows = [dataFor(maker, model, 'create'), dataFor(maker, model, 'create')];
    return {
      args: { data: rows },
      expect: oracle => {
        let { data } = oracle;
        for (const row of rows) if (!mayRefer(oracle, model, wholeRow(model, row), () => true)) return refusal('reference');
        let isReferenceBroken = false;
        for (const row of rows) {
          const whole = wholeRow(model, row);
          const next = insert(data, model, whole);
          // A database checks unique keys with each row, and foreign keys when the statement is over.
          if (next === 'taken') return refusal(next);
          isReferenceBroken ||= next === 'reference';
          data = typeof next === 'string' ? withRows(data, model.key, [...rowsOf(data, model.key), whole]) : next;
        }
        if (isReferenceBroken) return refusal('reference');
        const after = oracle.over(data);
        if (!rows.every(row => after.admits(model.key, wholeRow(model, row), 'create'))) return refusal('outside');
        return answer({ count: rows.length }, data);
      },
    };
  },
  update: (maker, model, names) => {
    const { where, find } = unique(maker, model, names);
    const nested = maker.random.chance(0.4) ? connecting(maker, model) : undefined;
    const data = nested?.data ?? dataFor(maker, model, 'update');
    return {
      args: { where, data },
      expect: oracle => {
        const row = find(oracle, 'update');
        if (nested !== undefined) return nested.expect(oracle, row);
        if (!mayRefer(oracle, model, { ...row, ...data }, name => Object.hasOwn(data, name))) return refusal('reference');
        return row === undefined ? refusal('missing') : expectChange(oracle, model, row, data, ['update']);
      },
    };
  },
  updateMany: (maker, model, names) => {
    const where = randomWhere(maker, names, model.key);
    const data = dataFor(maker, model, 'updateMany');
    return {
      args: { where, data },
      expect: oracle => {
        if (!mayRefer(oracle, model, data, name => Object.hasOwn(data, name))) return refusal('reference');
        let next = oracle.data;
        const changed: Row[] = [];
        for (const row of oracle.matching(model.key, where, 'update')) {
          const other = wholeRow(model, { ...row, ...data });
          const settled = change(next, model, row, other);
          if (typeof settled === 'string') return refusal(settled);
          next = settled;
          changed.push(other);
        }
        const after = oracle.over(next);
        if (!changed.every(row => after.admits(model.key, row, 'update'))) return refusal('outside');
        return answer({ count: changed.length }, next);
      },
    };
  },
  upsert: (maker, model, names) => {
    const { where, row, find } = unique(maker, model, names, true);
    const [key] = model.keys;
    const named = Object.fromEntries((key?.fields ?? []).map(name => [name, row[name]]));
    const create = { ...dataFor(maker, model, 'create'), ...named };
    const update = dataFor(maker, model, 'update');
    return {
      args: { where, create, update },
      expect: oracle => {
        const lawful = (data: Json) => mayRefer(oracle, model, wholeRow(model, data), name => Object.hasOwn(data, name));
        if (!lawful(create) || !lawful(update)) return refusal('reference');
        const found = find(oracle, 'update');
        return found === undefined
          ? expectInsert(oracle, model, create, ['create', 'update'])
          : expectChange(oracle, model, found, update, ['create', 'update']);
      },
    };
  },
  delete: (maker, model, names) => {
    const { where, find } = unique(maker, model, names);
    return {
      args: { where },
      expect: oracle => {
        const row = find(oracle, 'delete');
        if (row === undefined) return refusal('missing');
        const next = remove(oracle.setting.schema, oracle.data, model, row);
        return typeof next === 'string' ? refusal(next) : answer(scalarsJson(model, row), next);
      },
    };
  },
  deleteMany: (maker, model, names) => {
    const where = randomWhere(maker, names, model.key);
    return {
      args: { where },
      expect: oracle => {
        const rows = oracle.matching(model.key, where, 'delete');
        let { data } = oracle;
        for (const row of rows) {
          const next = remove(oracle.setting.schema, data, model, row);
          if (typeof next === 'string') return refusal(next);
          data = next;
        }
        return answer({ count: rows.length }, data);
      },
    };
  },
};

/** No row refers to rows of these models so that it could not be deleted. In others the order of deletions would matter. */
const leaves: readonly string[] = ['badge', 'profile', 'seat', 'doc', 'crate'];

/** A random query of the scoped client, which a tool of the host runs. */
export function prismaRequest(maker: Maker, model: Model): Request {
  const { random } = maker;
  const isWrite = random.chance(0.3);
  const makers = isWrite ? writes : reads;
  const operations = Object.keys(makers).filter(name => name !== 'deleteMany' || leaves.includes(model.key));
  const operation = random.pick(operations);
  const all = namesOfPrisma(maker);
  // In the `where` of a write, Prisma negates a condition on a related row without SQL's NULL, so the host's code cannot rely on it.
  const names = isWrite ? { ...all, relations: (key: string) => all.relations(key).filter(({ many }) => many) } : all;
  const { args, expect } = (makers[operation] as Make)(maker, model, names);
  return {
    surface: 'prisma',
    operation,
    method: 'tools/call',
    params: { name: 'query', arguments: { model: model.key, operation, args } },
    isWrite,
    expect,
  };
}

function list(maker: Maker, model: Model, names: Names, isFirst: boolean): ReturnType<Make> {
  const { random } = maker;
  const where = randomWhere(maker, names, model.key);
  const selection = randomSelection(maker, model, names, 0);
  const steps = orderFor(maker, model);
  const take = isFirst || random.chance(0.5) ? undefined : random.between(1, 4);
  const skip = random.chance(0.15) ? 1 : undefined;
  const cursor = random.chance(0.15) ? maker.anyRow(model.key) : undefined;
  const key = primaryKey(model);
  const distinct =
    cursor === undefined && random.chance(0.15) ? [random.pick([...model.columns.values()].filter(isSortable)).name] : undefined;
  return {
    args: {
      where,
      distinct,
      orderBy: orderArgs(model, steps),
      take,
      skip,
      ...(cursor && { cursor: uniqueWhere(key, cursor) }),
      ...selection.args,
    },
    expect: oracle => {
      let isVague = false;
      let rows: readonly Row[] = oracle.sorted(model, oracle.matching(model.key, where, 'findMany'), steps);
      if (cursor !== undefined) {
        const first = oracle.admitted(model.key, 'findMany').find(row => key.fields.every(name => row[name] === cursor[name]));
        isVague = first !== undefined && !rows.includes(first);
        rows = first === undefined ? [] : oracle.from(model, rows, first, steps);
      }
      if (distinct !== undefined) rows = distinctRows(rows, distinct);
      const page = rows.slice(skip ?? 0, take === undefined ? undefined : (skip ?? 0) + take).map(row => selection.toJson(oracle, row));
      const json = answer(isFirst ? (page[0] ?? null) : page);
      // If `where` excludes the row of the cursor, Prisma begins after its place in the order, or finds nothing.
      return isVague ? { ...json, or: isFirst ? null : [] } : json;
    },
  };
}

function one(maker: Maker, model: Model, names: Names, throws: boolean): ReturnType<Make> {
  const { where, find } = unique(maker, model, names);
  const selection = randomSelection(maker, model, names, 0);
  return {
    args: { where, ...selection.args },
    expect: oracle => {
      const row = find(oracle, 'findUnique');
      if (row === undefined) return throws ? refusal('missing') : answer(null);
      return answer(selection.toJson(oracle, row));
    },
  };
}

/** A unique `where` of any row, with more conditions now and then. */
function unique(
  maker: Maker,
  model: Model,
  names: Names,
  isPlain = false,
): { where: Json; row: Row; find: (oracle: Oracle, operation: string) => Row | undefined } {
  const { random } = maker;
  const key = isPlain ? primaryKey(model) : random.pick(model.keys);
  const none = Object.fromEntries(key.fields.map(name => [name, model.columns.get(name)?.type === 'Int' ? 99 : 'none']));
  const row: Row = (random.chance(0.92) ? maker.anyRow(model.key) : undefined) ?? none;
  const more = !isPlain && random.chance(0.25) ? { AND: [randomWhere(maker, names, model.key, 1)] } : {};
  const find = (oracle: Oracle, operation: string) =>
    oracle.matching(model.key, more, operation).find(each => key.fields.every(name => each[name] === row[name]));
  return { where: { ...uniqueWhere(key, row), ...more }, row, find };
}

interface Selected {
  readonly args: Json;
  readonly toJson: (oracle: Oracle, row: Row) => Json;
}

/** A random `select` or `include`, nested, and the row that it gives. */
function randomSelection(maker: Maker, model: Model, names: Names, depth: number): Selected {
  const { random } = maker;
  const whole: Selected = { args: {}, toJson: (_, row) => scalarsJson(model, row) };
  if (random.chance(depth === 0 ? 0.4 : 0.5)) return whole;
  const isSelect = random.chance(0.5);
  const columns = isSelect ? [...model.columns.keys()].filter(() => random.chance(0.4)) : [...model.columns.keys()];
  const entries: Json = isSelect ? Object.fromEntries(columns.map(name => [name, true])) : {};
  const relations = depth > 1 ? [] : [...model.relations.values()].filter(() => random.chance(0.3));
  const parts = relations.map(relation => randomRelated(maker, relation, names, depth));
  for (const { relation, args } of parts) entries[relation.name] = args;
  const counts = [...model.relations.values()].filter(({ many }) => many && random.chance(0.2));
  const counted = counts.map(relation => ({
    relation,
    where: random.chance(0.4) ? randomWhere(maker, names, relation.target, 2) : undefined,
  }));
  if (counted.length > 0) {
    entries['_count'] = {
      select: Object.fromEntries(counted.map(({ relation, where }) => [relation.name, where === undefined ? true : { where }])),
    };
  }
  if (Object.keys(entries).length === 0) return whole;
  return {
    args: { [isSelect ? 'select' : 'include']: entries },
    toJson: (oracle, row) => {
      const json = scalarsJson(model, row, columns);
      for (const { relation, toJson } of parts) json[relation.name] = toJson(oracle, row);
      if (counted.length > 0) {
        json['_count'] = Object.fromEntries(
          counted.map(({ relation, where }) => [relation.name, relatedMatching(oracle, relation, row, where).length]),
        );
      }
      return json;
    },
  };
}

function randomRelated(maker: Maker, relation: Relation, names: Names, depth: number): { relation: Relation } & Selected {
  const { random } = maker;
  const target = maker.model(relation.target);
  const selection = randomSelection(maker, target, names, depth + 1);
  if (!relation.many) {
    return {
      relation,
      args: Object.keys(selection.args).length === 0 ? true : selection.args,
      toJson: (oracle, row) => {
        const [other] = oracle.related(relation, row);
        return other === undefined ? null : selection.toJson(oracle, other);
      },
    };
  }
  const where = random.chance(0.4) ? randomWhere(maker, names, relation.target, 2) : undefined;
  const steps = orderFor(maker, target);
  const take = random.chance(0.3) ? random.between(1, 3) : undefined;
  return {
    relation,
    args: { where, orderBy: orderArgs(target, steps), take, ...selection.args },
    toJson: (oracle, row) =>
      oracle
        .sorted(target, relatedMatching(oracle, relation, row, where), steps)
        .slice(0, take)
        .map(other => selection.toJson(oracle, other)),
  };
}

function relatedMatching(oracle: Oracle, relation: Relation, row: Row, where: Json): Row[] {
  const rows = oracle.related(relation, row);
  return oracle.matching(relation.target, where, 'findMany').filter(other => rows.includes(other));
}

function orderFor({ random }: Maker, model: Model): Step[] {
  const columns = [...model.columns.values()].filter(isSortable);
  return random.chance(0.5) ? [[random.pick(columns).name, random.pick(['asc', 'desc'])]] : [];
}

/** The order with the key, so that the oracle knows it wholly. */
function orderArgs(model: Model, steps: readonly Step[]): Json {
  const keySteps = primaryKey(model).fields.filter(name => !steps.some(([step]) => step === name));
  return [...steps.map(([name, direction]) => ({ [name]: direction })), ...keySteps.map(name => ({ [name]: 'asc' }))];
}

function scalarsJson(model: Model, row: Row, columns: Iterable<string> = model.columns.keys()): Json {
  return Object.fromEntries([...columns].map(name => [name, valueJson(model, name, row[name])]));
}

function aggregated(model: Model): Column[] {
  return [...model.columns.values()].filter(({ type, list: isList }) => !isList && !['Boolean', 'Bytes', 'Enum', 'Json'].includes(type));
}

function aggregateJson(model: Model, rows: readonly Row[]): Json {
  const columns = aggregated(model);
  const extreme = ({ name, type }: Column, sign: number) => {
    const values = rows.map(row => row[name]).filter(value => value !== null);
    return values.length === 0 ? null : values.reduce((best, value) => (sign * compare(type, value, best) > 0 ? value : best));
  };
  const each = (of: (column: Column) => unknown) => Object.fromEntries(columns.map(column => [column.name, of(column)]));
  return {
    _count: { _all: rows.length, ...each(({ name }) => rows.filter(row => row[name] !== null).length) },
    ...(columns.length > 0 && { _min: each(column => extreme(column, -1)), _max: each(column => extreme(column, 1)) }),
  };
}

/** Random data for a write. Bytes are left out, because JSON cannot carry them to Prisma. */
function dataFor(maker: Maker, model: Model, operation: 'create' | 'update' | 'updateMany'): Json {
  const { random } = maker;
  const data: Json = {};
  const isUnique = (name: string) => model.uniques.some(fields => fields.includes(name));
  const columns = [...model.columns.values()].filter(
    ({ type, isId }) => type !== 'Bytes' && type !== 'Json' && (operation === 'create' || !isId),
  );
  const names = operation === 'updateMany' ? columns.filter(({ name }) => !isUnique(name)) : columns;
  const only = names.length === 0 ? undefined : random.pick(names).name;
  for (const { name, type, initial } of names) {
    if (operation === 'create' ? initial === undefined || random.chance(0.5) : name === only || random.chance(0.1)) {
      const value = writtenValue(maker, model, name);
      data[name] = type === 'BigInt' && value !== null ? Number(value) : value;
    }
  }
  return data;
}

/** The row that `data` creates. BigInt travels as a string. */
function wholeRow(model: Model, data: Json): Row {
  return Object.fromEntries(
    [...model.columns.values()].map(({ name, type, initial }) => {
      const value = Object.hasOwn(data, name) ? data[name] : initial;
      return [name, type === 'BigInt' && typeof value === 'number' ? String(value) : value];
    }),
  );
}

function expectInsert(oracle: Oracle, model: Model, data: Json, policies: readonly string[]): Expected {
  const row = wholeRow(model, data);
  if (!mayRefer(oracle, model, row, () => true)) return refusal('reference');
  const next = insert(oracle.data, model, row);
  return settle(oracle, model, row, next, policies);
}

function expectChange(oracle: Oracle, model: Model, row: Row, data: Json, policies: readonly string[]): Expected {
  const changed = wholeRow(model, { ...row, ...data });
  return settle(oracle, model, changed, change(oracle.data, model, row, changed), policies);
}

function settle(oracle: Oracle, model: Model, row: Row, next: Data | string, policies: readonly string[]): Expected {
  if (typeof next === 'string') return refusal(next as 'taken');
  const after = oracle.over(next);
  if (!policies.every(operation => after.admits(model.key, row, operation))) return refusal('outside');
  return answer(scalarsJson(model, row), next);
}

interface Nested {
  readonly data: Json;
  readonly expect: (oracle: Oracle, row: Row | undefined) => Expected;
}

/** An update that connects or disconnects a related row. `undefined` if the model has no relation for that. */
function connecting(maker: Maker, model: Model): Nested | undefined {
  const { random } = maker;
  const owned = [...model.relations.values()].filter(({ from }) => from.length > 0 && !from.some(name => model.columns.get(name)?.isId));
  const joined = [...model.relations.values()].filter(({ join }) => join !== undefined);
  const relation = owned.length + joined.length === 0 ? undefined : random.pick([...owned, ...joined]);
  const other = relation && maker.anyRow(relation.target);
  if (relation === undefined || other === undefined) return undefined;
  const target = modelOf(maker.setting.schema, relation.target);
  if (relation.join !== undefined) return linking(relation, target, other);
  if (!relation.required && random.chance(0.3)) {
    const values = Object.fromEntries(relation.from.map(name => [name, null]));
    return {
      data: { [relation.name]: { disconnect: true } },
      expect: (oracle, row) => (row === undefined ? refusal('missing') : expectChange(oracle, model, row, values, ['update'])),
    };
  }
  const values = Object.fromEntries(relation.from.map((name, at) => [name, other[relation.to[at] as string]]));
  const isUnique = model.uniques.some(fields => relation.from.every(name => fields.includes(name)));
  // Prisma takes the related row away from the row that has it, or refuses that where it is required.
  if (isUnique && maker.setting.declaration.get(model.key)?.policy === undefined) return undefined;
  return {
    data: { [relation.name]: { connect: uniqueWhere(primaryKey(target), other) } },
    expect: (oracle, row) => {
      if (isUnique) return refusal('outside');
      if (row === undefined) return refusal('missing');
      const isSeen = related(oracle.data, relation, { ...row, ...values }).some(each => oracle.admits(relation.target, each, 'findMany'));
      return isSeen ? expectChange(oracle, model, row, values, ['update']) : refusal('missing');
    },
  };
}

/** Connects a row of a many-to-many relation. It changes both rows, so it is refused if the other model has a policy. */
function linking(relation: Relation, target: Model, other: Row): Nested {
  const { join, source } = relation;
  return {
    data: { [relation.name]: { connect: [uniqueWhere(primaryKey(target), other)] } },
    expect: (oracle, row) => {
      if (oracle.setting.declaration.get(target.key)?.policy !== undefined || join === undefined) return refusal('outside');
      if (row === undefined || !rowsOf(oracle.data, target.key).some(each => each['id'] === other['id'])) return refusal('missing');
      const pair = join.side === 0 ? ([row['id'], other['id']] as const) : ([other['id'], row['id']] as const);
      const links = linksOf(oracle.data, join.table);
      const isThere = links.some(([a, b]) => a === pair[0] && b === pair[1]);
      const next = isThere ? oracle.data : withLinks(oracle.data, join.table, [...links, pair as [number, number]]);
      return settle(oracle, modelOf(oracle.setting.schema, source), row, next, ['update']);
    },
  };
}
