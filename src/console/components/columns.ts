import type { JsonSchema } from '../../protocol/json-schema.ts';
import { choicesOf, kindOf } from './schema.ts';

/** A column of rows that can be filtered, sorted, chosen or written. */
export interface Column {
  readonly name: string;
  /** The schema of one value. */
  readonly schema: JsonSchema;
  /** Whether the column holds a list of values. @default false */
  readonly isList?: boolean;
  /** @default false */
  readonly isNullable?: boolean;
}

/** A filter operator: its name in Prisma, in words, and how many values it takes. */
export interface Operator {
  readonly name: string;
  readonly label: string;
  readonly takes: 'one' | 'many' | 'none';
}

const is: Operator = { name: 'equals', label: 'is', takes: 'one' };
const isNot: Operator = { name: 'not', label: 'is not', takes: 'one' };
const oneOf: Operator[] = [
  { name: 'in', label: 'is one of', takes: 'many' },
  { name: 'notIn', label: 'is none of', takes: 'many' },
];
const empties: Operator[] = [
  { name: 'isNull', label: 'is empty', takes: 'none' },
  { name: 'isNotNull', label: 'is not empty', takes: 'none' },
];
const order: Operator[] = [
  { name: 'lt', label: 'is less than', takes: 'one' },
  { name: 'lte', label: 'is at most', takes: 'one' },
  { name: 'gt', label: 'is more than', takes: 'one' },
  { name: 'gte', label: 'is at least', takes: 'one' },
];
const times: Operator[] = [
  { name: 'lt', label: 'is before', takes: 'one' },
  { name: 'lte', label: 'is at the latest', takes: 'one' },
  { name: 'gt', label: 'is after', takes: 'one' },
  { name: 'gte', label: 'is at the earliest', takes: 'one' },
];
const texts: Operator[] = [
  { name: 'contains', label: 'contains', takes: 'one' },
  { name: 'startsWith', label: 'starts with', takes: 'one' },
  { name: 'endsWith', label: 'ends with', takes: 'one' },
];
const lists: Operator[] = [
  { name: 'has', label: 'has', takes: 'one' },
  { name: 'hasSome', label: 'has one of', takes: 'many' },
  { name: 'hasEvery', label: 'has all of', takes: 'many' },
];

/** Whether values of a column can be added up. */
export function isNumeric({ schema, isList = false }: Column): boolean {
  return !isList && schema.enum === undefined && (schema.type === 'integer' || schema.type === 'number' || isBig(schema));
}

/** Numbers that JSON cannot carry travel as texts. */
function isBig({ format }: JsonSchema): boolean {
  return format === 'decimal' || format === 'int64';
}

/** Whether rows have an order by a column. */
export function isOrdered({ schema, isList = false }: Column): boolean {
  return !isList && schema.type !== undefined && schema.type !== 'boolean';
}

/** The operators that a column takes, the usual ones first. */
export function operatorsOf({ schema, isList = false, isNullable = false }: Column): readonly Operator[] {
  if (isList) return lists;
  const ends = isNullable ? empties : [];
  const kind = kindOf(schema);
  if (kind === 'boolean') return [is, isNot, ...ends];
  if (choicesOf(schema) !== undefined) return [is, isNot, ...oneOf, ...ends];
  if (kind === 'date' || kind === 'date-time') return [...times, is, isNot, ...ends];
  if (kind === 'integer' || kind === 'number' || isBig(schema)) return [is, isNot, ...order, ...oneOf, ...ends];
  if (kind === 'text') return [is, ...texts, isNot, ...oneOf, ...order, ...ends];
  return [is, isNot, ...ends];
}
