import { ToolError } from '../errors.ts';
import { isObject } from '../protocol/definitions.ts';

const maxEchoChars = 60;

/** Throws the error that a model reads: the argument's path, then what is wrong with it. */
export function refuse(path: string, fact: string): never {
  throw new ToolError(`${path}: ${fact}`);
}

/** A name from the wire for a message: quoted, cut, with control characters escaped. */
export function quote(name: string): string {
  return JSON.stringify(name.length > maxEchoChars ? `${name.slice(0, maxEchoChars)}…` : name);
}

/** The first `end` characters of a text, without half of a character. */
export function beginningOf(text: string, end: number): string {
  return text.slice(0, end).replace(/[\uD800-\uDBFF]$/, '');
}

/** A text of at most `maxChars` characters. A longer one is cut and ends with `…`. */
export function shorten(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${beginningOf(text, maxChars - 1)}…`;
}

/** `path.name`, with a long name cut. */
export function join(path: string, name: string): string {
  const shown = name.length > maxEchoChars ? `${name.slice(0, maxEchoChars)}…` : name;
  return path === '' ? shown : `${path}.${shown}`;
}

/** Whether it is an object literal or made by `Object.create(null)`; no array, `Date`, `Decimal` or other class. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

/** Refuses any value but an object. */
export function parseObject(value: unknown, path: string): Record<string, unknown> {
  return isObject(value) ? value : refuse(path, `expected an object, got ${nameOf(value)}`);
}

/** The kind of a JSON value, for a message: `a string`, `null`, `an array`. Some models write an object as text. */
export function nameOf(value: unknown): string {
  if (typeof value === 'string' && isJsonText(value.trim())) return 'JSON in a string';
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function isJsonText(text: string): boolean {
  return (text.startsWith('{') && text.endsWith('}')) || (text.startsWith('[') && text.endsWith(']'));
}

/** `a, b, c` */
export function list(names: Iterable<string>): string {
  return [...names].join(', ');
}

/** `an Employee`, `a User` */
export function withArticle(name: string): string {
  // These begin with a vowel but are spoken with a consonant: Euro, Once, Unit, User, UsageRecord.
  const isVowel = /^[aeiou]/i.test(name) && !/^(eu|one|once|uni(?!n)|us[aeu]|uti|ura|ubi)/i.test(name);
  return `${isVowel ? 'an' : 'a'} ${name}`;
}
