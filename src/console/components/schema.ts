import { isObject } from '../../client/wire.ts';
import type { JsonObject } from '../../protocol/definitions.ts';
import type { JsonSchema } from '../../protocol/json-schema.ts';

/** How a value is entered. `any` is JSON as text; `members` is an object whose names nobody has said. */
export type FieldKind =
  | 'choice'
  | 'choices'
  | 'boolean'
  | 'integer'
  | 'number'
  | 'text'
  | 'date'
  | 'date-time'
  | 'object'
  | 'members'
  | 'list'
  | 'variants'
  | 'any';

/** A value to choose, and its name for people. */
export interface Choice {
  readonly value: unknown;
  readonly label: string;
}

/** Whether two JSON values are the same. */
export function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** How to enter a value of a schema. @param schema As `resolve` gives it. */
export function kindOf(schema: JsonSchema): FieldKind {
  if (choicesOf(schema) !== undefined) return 'choice';
  if (variantsOf(schema).length > 0) return 'variants';
  switch (typeOf(schema)) {
    case 'boolean':
      return 'boolean';
    case 'integer':
      return 'integer';
    case 'number':
      return 'number';
    case 'string':
      return schema.format === 'date' || schema.format === 'date-time' ? schema.format : 'text';
    case 'array':
      return choicesOf(itemsOf(schema)) === undefined ? 'list' : 'choices';
    case 'object':
      return Object.keys(schema.properties ?? {}).length > 0 ? 'object' : 'members';
    default:
      return 'any';
  }
}

/** The one type of a schema besides `null`; `undefined` if there are several or none. */
export function typeOf({ type, properties }: JsonSchema): string | undefined {
  const types = (Array.isArray(type) ? type : [type]).filter(each => each !== 'null');
  if (types.length > 1) return undefined;
  return types[0] ?? (properties === undefined ? undefined : 'object');
}

/** The schema of the items of a list. */
export function itemsOf({ items }: JsonSchema): JsonSchema {
  return typeof items === 'object' ? items : {};
}

/** The values to choose from, in the forms that JSON Schema and elicitation have for them. `undefined` if any value will do. */
export function choicesOf(schema: JsonSchema): readonly Choice[] | undefined {
  const titled = schema.oneOf ?? schema.anyOf;
  if (titled !== undefined && titled.length > 0 && titled.every(option => 'const' in option)) {
    return titled.map(({ const: value, title }) => ({ value, label: title ?? labelOf(value) }));
  }
  if ('const' in schema) return [{ value: schema.const, label: schema.title ?? labelOf(schema.const) }];
  const { enum: values, enumNames } = schema;
  if (values === undefined) return undefined;
  const names = Array.isArray(enumNames) ? enumNames : [];
  return values.map((value, index) => ({ value, label: typeof names[index] === 'string' ? names[index] : labelOf(value) }));
}

function labelOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The schemas of which a value fits one, without `null`; none if there is only one. */
export function variantsOf(schema: JsonSchema): readonly JsonSchema[] {
  const { type } = schema;
  const named = (schema.anyOf ?? schema.oneOf ?? []).filter(variant => variant.type !== 'null');
  if (named.length > 1) return named;
  const types = Array.isArray(type) ? type.filter(each => each !== 'null') : [];
  return types.length > 1 ? types.map(each => ({ ...schema, type: each })) : [];
}

/** Whether the value may be null. */
export function isNullable(schema: JsonSchema): boolean {
  const { type, enum: values } = schema;
  if ((schema.anyOf ?? schema.oneOf ?? []).some(variant => variant.type === 'null')) return true;
  return (Array.isArray(type) && type.includes('null')) || (values?.includes(null) ?? false);
}

/** The schema itself, where it refers to another one or has one variant besides `null`. @param root The whole document. */
export function resolve(schema: JsonSchema, root: JsonSchema): JsonSchema {
  let found = schema;
  for (let hops = 0; hops < 20; hops += 1) {
    const { $ref, allOf, anyOf, oneOf, ...own } = found;
    const variants = (anyOf ?? oneOf ?? []).filter(variant => variant.type !== 'null');
    const [only] = variants.length === 1 && !variants.some(variant => 'const' in variant) ? variants : (allOf ?? []);
    if (typeof $ref === 'string') found = { ...own, ...target($ref, root) };
    else if (only !== undefined && (variants.length === 1 || allOf?.length === 1)) {
      const nullable = isNullable(schema) && typeof only.type === 'string' ? { type: [only.type, 'null'] } : {};
      found = { ...own, ...only, ...nullable };
    } else return found;
  }
  return {};
}

/** `#/$defs/Node` in its document; any value if it is elsewhere. */
function target(ref: string, root: JsonSchema): JsonSchema {
  if (!ref.startsWith('#')) return {};
  const names = ref
    .slice(1)
    .split('/')
    .slice(1)
    .map(name => decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~'));
  const found = names.reduce<unknown>((part, name) => (isObject(part) || Array.isArray(part) ? Reflect.get(part, name) : undefined), root);
  return isObject(found) ? found : {};
}

/** The value that a form begins with: defaults, and objects that are required. `undefined` if there is nothing to begin with. */
export function initialValue(schema: JsonSchema, root: JsonSchema = schema): unknown {
  const resolved = resolve(schema, root);
  if (resolved.default !== undefined) return resolved.default;
  if ('const' in resolved) return resolved.const;
  const kind = kindOf(resolved);
  if (kind === 'list' || kind === 'choices') return [];
  if (kind === 'members') return {};
  if (kind !== 'object') return undefined;
  const entries = Object.entries(resolved.properties ?? {}).flatMap(([name, property]): [string, unknown][] => {
    const isNeeded = resolved.required?.includes(name) === true;
    const value = isNeeded ? initialValue(property, root) : resolve(property, root).default;
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(entries);
}

/** The object with one member changed; `undefined` removes it. */
export function withMember(object: unknown, name: string, value: unknown): JsonObject {
  const members = isObject(object) ? object : {};
  if (value !== undefined) return { ...members, [name]: value };
  return Object.fromEntries(Object.entries(members).filter(([each]) => each !== name));
}

/** The list with one item changed. */
export function withItem(list: readonly unknown[], index: number, value: unknown): unknown[] {
  return list.map((item, at) => (at === index ? value : item));
}

/** A name of a program as words: `startsAt` → `Starts at`. Names with other characters than letters stay as they are. */
export function wordsOf(name: string): string {
  if (!/^[a-zA-Z][a-zA-Z0-9_-]*$/u.test(name) || /^[A-Z0-9_-]+$/u.test(name)) return name;
  const words = name
    .replaceAll(/[_-]+/gu, ' ')
    .replaceAll(/([a-z0-9])([A-Z])/gu, (_, before: string, after: string) => `${before} ${after.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}
