import { isObject } from '../../client/wire.ts';
import type { JsonObject } from '../../protocol/definitions.ts';
import type { Column } from './columns.ts';

/** One condition on one column. `operator` is the name of an `Operator`. */
export interface Condition {
  readonly column: string;
  readonly operator: string;
  /** `undefined` until it is entered. */
  readonly value: unknown;
}

/** Conditions, and whether all of them or any of them must hold. */
export interface Filter {
  readonly join: 'AND' | 'OR';
  readonly conditions: readonly Condition[];
}

/** Whether a condition is complete. */
export function isComplete({ operator, value }: Condition): boolean {
  if (operator === 'isNull' || operator === 'isNotNull') return true;
  return value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0);
}

/**
 * The `where` of a filter; `undefined` if no condition is complete.
 *
 * `people is at least 4, status is PENDING` → `{ people: { gte: 4 }, status: 'PENDING' }`
 */
export function writeFilter({ join, conditions }: Filter): JsonObject | undefined {
  const parts = conditions.filter(isComplete).map(toWhere);
  const [only] = parts;
  if (only === undefined) return undefined;
  if (parts.length === 1) return only;
  if (join === 'OR') return { OR: parts };
  const names = parts.flatMap(part => Object.keys(part));
  if (new Set(names).size === names.length) return Object.assign({}, ...parts) as JsonObject;
  return merged(parts) ?? { AND: parts };
}

/** `{ startsAt: { gte } }` and `{ startsAt: { lt } }` as one. `undefined` if an operator stands twice on a column. */
function merged(parts: readonly JsonObject[]): JsonObject | undefined {
  const all: JsonObject = {};
  for (const part of parts) {
    for (const [name, value] of Object.entries(part)) {
      const added = isObject(value) ? value : { equals: value };
      const known = all[name];
      const own = known === undefined || isObject(known) ? (known ?? {}) : { equals: known };
      if (Object.keys(added).some(operator => operator in own)) return undefined;
      all[name] = { ...own, ...added };
    }
  }
  return all;
}

function toWhere({ column, operator, value }: Condition): JsonObject {
  if (operator === 'isNull') return { [column]: null };
  if (operator === 'isNotNull') return { [column]: { not: null } };
  return { [column]: operator === 'equals' ? value : { [operator]: value } };
}

/** The filter of a `where`; `undefined` if it says more than conditions can show, such as a filter by a relation. */
export function readFilter(where: unknown, columns: readonly Column[]): Filter | undefined {
  if (where === undefined) return { join: 'AND', conditions: [] };
  if (!isObject(where)) return undefined;
  const known = new Set(columns.map(({ name }) => name));
  const [only, ...more] = Object.keys(where);
  if ((only === 'AND' || only === 'OR') && more.length === 0) {
    const parts = where[only];
    if (!Array.isArray(parts)) return undefined;
    const read = parts.map(part => (isObject(part) ? readConditions(part, known) : undefined));
    const isFlat = read.every(conditions => conditions !== undefined && (only === 'AND' || conditions.length === 1));
    return isFlat ? { join: only, conditions: read.flatMap(conditions => conditions ?? []) } : undefined;
  }
  const conditions = readConditions(where, known);
  return conditions && { join: 'AND', conditions };
}

const operators = new Set([
  'equals',
  'not',
  'in',
  'notIn',
  'lt',
  'lte',
  'gt',
  'gte',
  'contains',
  'startsWith',
  'endsWith',
  'has',
  'hasSome',
  'hasEvery',
]);

function readConditions(where: JsonObject, known: ReadonlySet<string>): Condition[] | undefined {
  const conditions: Condition[] = [];
  for (const [column, part] of Object.entries(where)) {
    if (!known.has(column)) return undefined;
    for (const [operator, value] of Object.entries(isObject(part) ? part : { equals: part })) {
      if (!operators.has(operator) || isObject(value)) return undefined;
      if (value !== null) conditions.push({ column, operator, value });
      else if (operator === 'equals' || operator === 'not') {
        conditions.push({ column, operator: operator === 'not' ? 'isNotNull' : 'isNull', value: undefined });
      } else return undefined;
    }
  }
  return conditions;
}
