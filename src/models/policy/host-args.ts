import { columnNames } from '../datamodel/columns.ts';
import type { ModelNode, OrderStep, UniqueKey } from '../datamodel/graph.ts';
import type { Args } from '../declaration/delegates.ts';
import { isEmpty } from '../declaration/delegates.ts';
import { isPlainObject, list, nameOf } from '../messages.ts';
import { isAlways, isCombinator, simplifyWhere } from './simplify-where.ts';

/** Rows of a list whose declaration has no `take`. */
export const defaultTake = 25;

const toManyOperators: ReadonlySet<string> = new Set(['some', 'every', 'none']);
const toOneOperators: ReadonlySet<string> = new Set(['is', 'isNot']);

/** Throws at unknown option keys: a typo must never widen access. */
export function assertKeys(value: unknown, known: readonly string[], path: string): asserts value is Record<string, unknown> {
  if (!isPlainObject(value)) throw new TypeError(`${path}: expected an object`);
  const unknown = Object.keys(value).filter(key => !known.includes(key));
  if (unknown.length > 0) throw new TypeError(unknown.map(key => `${path}.${key}: unknown option (${list(known)})`).join('\n'));
}

/**
 * Checks a `where` that the host wrote, including AND, OR, NOT and relation filters, and makes it safe to combine with others.
 *
 * @throws {TypeError} at an unknown column, and at values that Prisma reads as no condition: `undefined`, and `{}` for a column or in an OR.
 */
export function resolveWhere(value: unknown, node: ModelNode, path: string): Args {
  return simplifyWhere(node, checkWhere(value, node, path));
}

/**
 * Throws at `undefined` or `Prisma.skip` anywhere in `value`: Prisma drops such a key, and with it the condition.
 *
 * @param path Where the value comes from, e.g. `models.booking.where`.
 */
export function assertDefined(value: unknown, path: string): void {
  if (value === undefined)
    throw new TypeError(`${path}: is undefined, which Prisma reads as no condition at all; write the value, or null`);
  if (Array.isArray(value)) for (const [index, item] of value.entries()) assertDefined(item, `${path}[${index}]`);
  else if (typeof value === 'object' && value !== null) {
    if ('ifUndefined' in value) throw new TypeError(`${path}: is Prisma.skip, which drops the condition; write the value, or null`);
    if (value instanceof Date || ArrayBuffer.isView(value) || 'typeName' in value) return;
    for (const [key, item] of Object.entries(value)) assertDefined(item, `${path}.${key}`);
  }
}

/** Checks the host's `orderBy` and splits it into steps, completed with the unique key so that pages are stable. */
export function resolveOrder(value: unknown, node: ModelNode, key: UniqueKey, path: string): OrderStep[] {
  const steps: OrderStep[] = [];
  for (const item of value === undefined ? [] : Array.isArray(value) ? value : [value]) {
    if (!isPlainObject(item)) throw new TypeError(`${path}: expected { column: 'asc' } or an array of those`);
    for (const [name, order] of Object.entries(item)) {
      if (!node.fields.has(name)) throw new TypeError(`${path}.${name}: ${node.name} has no field \`${name}\` (${columnNames(node)})`);
      assertDefined(order, `${path}.${name}`);
      if (!isPlainObject(order) && order !== 'asc' && order !== 'desc') throw new TypeError(`${path}.${name}: expected 'asc' or 'desc'`);
      steps.push({ [name]: order });
    }
  }
  return completeOrder(steps, key);
}

/** Adds the columns of `key` that the order lacks. */
export function completeOrder(steps: readonly OrderStep[], key: UniqueKey): OrderStep[] {
  return [...steps, ...key.fields.filter(name => !steps.some(step => Object.hasOwn(step, name))).map(name => ({ [name]: 'asc' }))];
}

/** @throws {TypeError} unless `value` is a whole number of rows, 1 or more. */
export function assertTake(value: unknown, path: string): asserts value is number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
    throw new TypeError(`${path}: expected a whole number of rows, 1 or more, got ${String(value)}`);
  }
}

function checkWhere(value: unknown, node: ModelNode, path: string): Args {
  if (!isPlainObject(value)) throw new TypeError(`${path}: expected a where, got ${nameOf(value)}; {} means every row`);
  const where: Args = {};
  for (const [name, part] of Object.entries(value)) {
    const at = `${path}.${name}`;
    const relation = node.relations.get(name);
    if (part === undefined) assertDefined(part, at);
    else if (isCombinator(name)) where[name] = checkParts(name, part, node, at);
    else if (relation !== undefined) where[name] = checkRelation(part, relation.target, relation.toMany, at);
    else if (node.fields.has(name) || node.uniques.some(key => key.compound && key.name === name)) {
      assertDefined(part, at);
      assertOperators(part, at);
      where[name] = part;
    } else throw new TypeError(`${at}: ${node.name} has no field \`${name}\` (${columnNames(node)})`);
  }
  return where;
}

function checkParts(name: string, value: unknown, node: ModelNode, path: string): Args[] {
  const parts = (Array.isArray(value) ? value : [value]).map(item => checkWhere(item, node, path));
  if (name !== 'AND') for (const part of parts) assertCondition(isAlways(node, part), path);
  return parts;
}

function checkRelation(value: unknown, target: ModelNode, toMany: boolean, path: string): Args | null {
  if (value === null && !toMany) return null;
  if (!isPlainObject(value)) throw new TypeError(`${path}: expected a relation filter, got ${nameOf(value)}`);
  assertCondition(isEmpty(value), path);
  const operators = toMany ? toManyOperators : toOneOperators;
  const names = Object.keys(value);
  if (!toMany && !names.some(name => operators.has(name))) return checkWhere(value, target, path);
  const filter: Args = {};
  for (const name of names) {
    if (!operators.has(name)) throw new TypeError(`${path}.${name}: not a relation filter (${list(operators)})`);
    filter[name] = value[name] === null && !toMany ? null : checkWhere(value[name], target, `${path}.${name}`);
  }
  return filter;
}

/** Throws at a filter without an operator, such as `{ mode: 'insensitive' }`: every row meets it. */
function assertOperators(filter: unknown, path: string): void {
  if (!isPlainObject(filter)) return;
  assertCondition(isEmpty(filter), path);
  const names = Object.keys(filter).filter(name => name !== 'mode' && name !== 'path');
  if (names.length === 0) throw new TypeError(`${path}: has ${list(Object.keys(filter))} alone, which every row meets; add a condition`);
  if (Object.hasOwn(filter, 'not')) assertOperators(filter['not'], `${path}.not`);
}

function assertCondition(always: boolean, path: string): void {
  if (always) throw new TypeError(`${path}: is {}, which Prisma reads as no condition; leave the key out`);
}
