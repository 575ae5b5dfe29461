import type { Provider } from '../support/database.ts';
import type { Row } from './data.ts';
import { textOf } from './data.ts';
import { onJson } from './json.ts';
import type { Column, ColumnType, Model, Relation, Schema } from './schema.ts';
import { modelOf } from './schema.ts';

/** The value of a condition. `null` is SQL's NULL. */
export type Truth = boolean | null;

/** What a filter is evaluated on. */
export interface Sight {
  readonly schema: Schema;
  readonly provider: Provider;
  /** The related rows that the caller may see. All others do not exist. */
  readonly related: (relation: Relation, row: Row) => readonly Row[];
}

type Where = Readonly<Record<string, unknown>>;

/**
 * Evaluates a caller's `where` on a row, by the rules of SQL and over visible rows only: a condition on a NULL column is NULL, unless it compares with
 * null.
 */
export function evaluate(model: Model, where: Where, row: Row, sight: Sight): Truth {
  return every(
    Object.entries(where).map(([name, value]) => {
      if (name === 'AND') return every(parts(value).map(part => evaluate(model, part, row, sight)));
      if (name === 'OR') return some(parts(value).map(part => evaluate(model, part, row, sight)));
      if (name === 'NOT') return every(parts(value).map(part => not(evaluate(model, part, row, sight))));
      const relation = model.relations.get(name);
      if (relation !== undefined) return onRelation(relation, value, row, sight);
      const column = model.columns.get(name);
      if (column !== undefined) return onColumn(column, value, row[name], sight.provider);
      // A compound key of a unique `where`.
      return every(Object.entries(value as Where).map(([part, expected]) => row[part] === expected));
    }),
  );
}

/** Compares two values of a column, neither of them null. */
export function compare(type: ColumnType, one: unknown, other: unknown): number {
  const [a, b] = [comparable(type, one), comparable(type, other)];
  return a < b ? -1 : a > b ? 1 : 0;
}

function parts(value: unknown): Where[] {
  return (Array.isArray(value) ? value : [value]) as Where[];
}

function onRelation(relation: Relation, filter: unknown, row: Row, sight: Sight): Truth {
  const target = modelOf(sight.schema, relation.target);
  const rows = sight.related(relation, row);
  const results = (where: unknown) => rows.map(other => evaluate(target, where as Where, other, sight));
  if (filter === null) return rows.length === 0;
  const entries = Object.entries(filter as Where);
  if (!relation.many && !entries.some(([name]) => name === 'is' || name === 'isNot')) return some(results(filter));
  return every(
    entries.map(([operator, where]) => {
      if (where === null) return (rows.length === 0) === (operator === 'is');
      if (operator === 'some') return results(where).includes(true);
      if (operator === 'none') return !results(where).includes(true);
      if (operator === 'every') return !results(where).includes(false);
      return operator === 'is' ? some(results(where)) : not(some(results(where)));
    }),
  );
}

function onColumn(column: Column, filter: unknown, value: unknown, provider: Provider): Truth {
  if (column.type === 'Json') return onJson(filter, value);
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter)) return onColumn(column, { equals: filter }, value, provider);
  const ignoresCase = (filter as Where)['mode'] === 'insensitive';
  return every(
    Object.entries(filter)
      .filter(([operator]) => operator !== 'mode')
      .map(([operator, operand]) => byOperator(column, operator, operand, value, { provider, ignoresCase })),
  );
}

interface Texts {
  readonly provider: Provider;
  readonly ignoresCase: boolean;
}

function byOperator(column: Column, operator: string, operand: unknown, value: unknown, texts: Texts): Truth {
  const { type } = column;
  if (column.list) return byListOperator(type, operator, operand, value);
  const is = (other: unknown): boolean =>
    texts.ignoresCase ? like(String(value), String(other), true) : compare(type, value, other) === 0;
  if (operator === 'not' && typeof operand === 'object' && operand !== null) {
    // Prisma reads `not: { not: x }` as `not: x`.
    return every(
      Object.entries(operand).map(([inner, part]) => {
        const truth = byOperator(column, inner, part, value, texts);
        return inner === 'not' ? truth : not(truth);
      }),
    );
  }
  if (operand === null) return (value === null) === (operator === 'equals');
  if (Array.isArray(operand) && operand.length === 0) return operator === 'notIn';
  if (value === null) return null;
  switch (operator) {
    case 'equals':
      return is(operand);
    case 'not':
      return !is(operand);
    case 'in':
      return (operand as unknown[]).some(is);
    case 'notIn':
      return !(operand as unknown[]).some(is);
    case 'lt':
      return compare(type, value, operand) < 0;
    case 'lte':
      return compare(type, value, operand) <= 0;
    case 'gt':
      return compare(type, value, operand) > 0;
    case 'gte':
      return compare(type, value, operand) >= 0;
    default:
      return byPattern(operator, textOf(operand), textOf(value), texts);
  }
}

function byPattern(operator: string, part: string, value: string, { provider, ignoresCase }: Texts): boolean {
  const pattern = `${operator === 'startsWith' ? '' : '%'}${part}${operator === 'endsWith' ? '' : '%'}`;
  return like(value, pattern, ignoresCase || provider === 'sqlite');
}

/** SQL's LIKE, which reads `%` and `_` as wildcards. Prisma does not escape them. */
function like(value: string, pattern: string, ignoresCase: boolean): boolean {
  const source = pattern
    .replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
    .replaceAll('%', '[^]*')
    .replaceAll('_', '[^]');
  return new RegExp(`^${source}$`, ignoresCase ? 'i' : '').test(value);
}

function byListOperator(type: ColumnType, operator: string, operand: unknown, value: unknown): Truth {
  if (value === null) return null;
  const items = value as unknown[];
  const has = (item: unknown) => items.some(each => compare(type, each, item) === 0);
  const asked = operand as unknown[];
  switch (operator) {
    case 'has':
      return has(operand);
    case 'hasEvery':
      return asked.every(has);
    case 'hasSome':
      return asked.some(has);
    case 'isEmpty':
      return (items.length === 0) === operand;
    default:
      return items.length === asked.length && items.every((item, at) => compare(type, item, asked[at]) === 0);
  }
}

function comparable(type: ColumnType, value: unknown): string | number | bigint {
  if (type === 'Decimal') return Number(value);
  if (type === 'BigInt') return BigInt(value as string);
  if (type === 'DateTime') return Date.parse(String(value));
  return typeof value === 'boolean' ? Number(value) : (value as string | number);
}

function not(truth: Truth): Truth {
  return truth === null ? null : !truth;
}

function every(truths: readonly Truth[]): Truth {
  return truths.includes(false) ? false : truths.includes(null) ? null : true;
}

function some(truths: readonly Truth[]): Truth {
  return truths.includes(true) ? true : truths.includes(null) ? null : false;
}
