import { ToolError } from '../errors.ts';

const maxEchoChars = 60;

/** Throws the error that a model reads: the argument's path, then what is wrong with it. */
export function refuse(path: string, fact: string): never {
  throw new ToolError(`${path}: ${fact}`);
}

/** A name from the wire as it may stand in a message: quoted, cut, without control characters. */
export function quote(name: string): string {
  return JSON.stringify(name.length > maxEchoChars ? `${name.slice(0, maxEchoChars)}…` : name);
}

/** `path.name`, with the name cut where it would flood the message. */
export function join(path: string, name: string): string {
  const shown = name.length > maxEchoChars ? `${name.slice(0, maxEchoChars)}…` : name;
  return path === '' ? shown : `${path}.${shown}`;
}

/** A JSON object as `JSON.parse` makes it: no array, no class. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether it has no key of its own. */
export function isEmpty(value: Record<string, unknown>): boolean {
  for (const name in value) if (Object.hasOwn(value, name)) return false;
  return true;
}

/** `{…}` as written in source or made by `Object.create(null)`; no array, `Date`, `Decimal` or other class. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

/** Narrows to an object or refuses. */
export function parseObject(value: unknown, path: string): Record<string, unknown> {
  return isObject(value) ? value : refuse(path, `expected an object, got ${nameOf(value)}`);
}

/** What a JSON value is, for a message: `a string`, `null`, `an array`. */
export function nameOf(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** `a, b, c` */
export function list(names: Iterable<string>): string {
  return [...names].join(', ');
}

/** `an Employee`, `a User` */
export function withArticle(name: string): string {
  // Written with a vowel, spoken with a consonant: Euro, Once, Unit, User, UsageRecord.
  const isVowel = /^[aeiou]/i.test(name) && !/^(eu|one|once|uni(?!n)|us[aeu]|uti|ura|ubi)/i.test(name);
  return `${isVowel ? 'an' : 'a'} ${name}`;
}
