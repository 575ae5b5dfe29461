import { isDeepStrictEqual } from 'node:util';
import type { Random } from '../chaos/random.ts';
import type { Truth } from './filter.ts';
import type { Json } from './oracle.ts';
import type { Maker } from './request.ts';

const texts = ['ab', 'abc', 'b', 'cab'];

/** Any value of a Json column. Each path leads to values of one type, or to nothing. */
export function oneJson(random: Random): Json {
  return {
    level: random.between(0, 2),
    ...(random.chance(0.7) && { note: random.pick(texts) }),
    ...(random.chance(0.5) && { tags: random.pick([['a'], ['a', 'b'], ['b']]) }),
  };
}

/** A random filter of a Json column, as callers of tools write it. */
export function randomJsonFilter({ random, setting }: Maker, value: () => unknown): Json {
  const text = random.pick(texts).slice(0, random.between(1, 2));
  const comparisons: Json[] = [{ path: ['level'], [random.pick(['gt', 'gte', 'lt', 'lte'])]: random.between(0, 2) }];
  return random.pick<Json>([
    null,
    { not: null },
    { equals: value() },
    { not: value() },
    { path: ['level'], equals: random.between(0, 2) },
    { path: ['level'], not: random.between(0, 2) },
    { path: ['note'], equals: random.pick(texts) },
    { path: ['tags', 0], equals: random.pick(['a', 'b']) },
    { path: ['note'], [random.pick(['string_contains', 'string_starts_with', 'string_ends_with'])]: text },
    ...(setting.provider === 'postgresql' ? comparisons : []),
  ]);
}

/** Evaluates a filter of a Json column on its value. Where the value or the path is absent, a comparison is NULL. */
export function onJson(filter: unknown, value: unknown): Truth {
  if (typeof filter !== 'object' || filter === null || !isFilter(filter)) return onJson({ equals: filter }, value);
  const { path, ...operators }: Json = filter;
  const found = path === undefined ? value : reached(value, path);
  const [[operator, operand] = ['', undefined]] = Object.entries<Json>(operators);
  if (operand === null) return ((found ?? null) === null) === (operator === 'equals');
  if (found === null || found === undefined) return null;
  switch (operator) {
    case 'equals':
      return isDeepStrictEqual(found, operand);
    case 'not':
      return !isDeepStrictEqual(found, operand);
    case 'string_contains':
      return textOf(found).includes(String(operand));
    case 'string_starts_with':
      return textOf(found).startsWith(String(operand));
    case 'string_ends_with':
      return textOf(found).endsWith(String(operand));
    case 'gt':
      return Number(found) > Number(operand);
    case 'gte':
      return Number(found) >= Number(operand);
    case 'lt':
      return Number(found) < Number(operand);
    default:
      return Number(found) <= Number(operand);
  }
}

function isFilter(filter: object): boolean {
  return ['path', 'equals', 'not'].some(name => name in filter);
}

function reached(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce((part: unknown, key) => (typeof part === 'object' && part !== null ? Reflect.get(part, key) : undefined), value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
