import type { JsonSchema } from '../protocol/json-schema.ts';
import type { Tool } from './client/wire.ts';
import { isObject } from './client/wire.ts';
import type { Column } from './components/columns.ts';

/** How the types of a Prisma schema are written in JSON. */
const schemas: Readonly<Record<string, JsonSchema>> = {
  Int: { type: 'integer' },
  Float: { type: 'number' },
  Boolean: { type: 'boolean' },
  Decimal: { type: 'string', format: 'decimal' },
  BigInt: { type: 'string', format: 'int64' },
  DateTime: { type: 'string', format: 'date-time' },
  Date: { type: 'string', format: 'date' },
  Json: {},
};

/**
 * The columns of a model, for the tools of one model. One of them lists the columns in a description, and the others refer to it.
 *
 * `Columns: id Int, code String(4)?, status PENDING|CONFIRMED.` in `booking_findMany` → those of `booking_count`
 *
 * @returns `undefined` for a tool that is not of a model.
 */
export function columnsFor({ name }: Tool, tools: readonly Tool[]): readonly Column[] | undefined {
  const [, model] = /^(.+)_[a-zA-Z]+$/u.exec(name) ?? [];
  if (model === undefined) return undefined;
  const siblings = tools.filter(tool => tool.name.startsWith(`${model}_`) && !tool.name.slice(model.length + 1).includes('_'));
  for (const { inputSchema } of siblings) {
    const text = Object.values(inputSchema.properties ?? {}).flatMap(
      ({ description = '' }) => /\bColumns: (.+)/su.exec(description)?.[1] ?? [],
    )[0];
    if (text !== undefined) return parseColumns(text);
  }
  const rows = siblings.map(({ outputSchema }) => outputSchema?.properties?.['rows']?.items).find(items => isObject(items));
  return isObject(rows) && isObject(rows['properties']) ? fromOutput(rows) : undefined;
}

function fromOutput({ properties = {} }: JsonSchema): Column[] {
  return Object.entries(properties).flatMap(([name, schema]): Column[] => {
    const types = Array.isArray(schema.type) ? schema.type : [schema.type];
    if (types.includes('object') || types.includes('array')) return [];
    return [
      { name, schema: { ...schema, type: types.filter(type => type !== 'null')[0] ?? 'string' }, isNullable: types.includes('null') },
    ];
  });
}

/** The part of a description that lists columns: `id Int, note String? (a comment, with commas), tags String[]. Relations: client.` */
export function parseColumns(text: string): Column[] {
  return split(text).flatMap((part): Column[] => {
    const [, name, written = ''] = /^(\w+)(?: (.+))?$/su.exec(part) ?? [];
    if (name === undefined) return [];
    const { type, description } = typeAndComment(written);
    const isList = type.endsWith('[]');
    const isNullable = type.endsWith('?');
    const plain = type.replace(/(?:\[\]|\?)$/u, '').replace(/^\((.*)\)$/u, '$1');
    const values = plain.split('|');
    const listed = values.length > 1 && !values.some(value => value.startsWith('…')) ? { type: 'string', enum: values } : undefined;
    const schema = listed ?? schemas[plain.replace(/\(.*\)$/u, '')] ?? { type: 'string' };
    return [{ name, schema: description === undefined ? schema : { ...schema, description }, isList, isNullable }];
  });
}

/** `String(4)? (the code)` → its type and its comment. */
function typeAndComment(written: string): { type: string; description?: string } {
  const [, type = written, description] = /^(\([^)]*\)\S*|\S+) \((.*)\)$/su.exec(written) ?? [];
  return description === undefined ? { type } : { type, description };
}

/** Splits at commas outside of parentheses, up to the full stop that ends the list. */
function split(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (let index = 0; index < text.length; index += 1) {
    const char = text.charAt(index);
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (depth === 0 && char === '.' && /^\.(?:\s|$)/u.test(text.slice(index))) break;
    if (depth === 0 && char === ',') {
      parts.push(part.trim());
      part = '';
    } else part += char;
  }
  return [...parts, part.trim()].filter(each => each !== '' && !each.startsWith('…'));
}
