import { isPlainObject, list } from '../messages.ts';
import type { DatamodelField } from './datamodel.ts';
import type { Column, Columns, ModelGraph, ModelNode } from './graph.ts';
import { jsonType } from './json-columns.ts';
import { narrow } from './native.ts';
import { enumType, scalarType } from './scalars.ts';

/**
 * The visible columns of one exposure, and the columns that are hidden only because they look like secrets.
 *
 * @param declared `select` and `omit` as declared, at most one of them present.
 * @throws {TypeError} at an unknown column, a relation, or a value that is not a boolean.
 */
export function resolveColumns(
  node: ModelNode,
  graph: ModelGraph,
  declared: { select?: unknown; omit?: unknown },
  path: string,
): { columns: Columns; secret: string[] } {
  const { select, omit } = declared;
  if (select !== undefined && omit !== undefined) throw new TypeError(`${path}: has both select and omit; keep one`);
  const selected = select === undefined ? undefined : parseFlags(select, node, `${path}.select`);
  const omitted = omit === undefined ? undefined : parseFlags(omit, node, `${path}.omit`);
  const columns = new Map<string, Column>();
  const secret: string[] = [];
  for (const field of node.fields.values()) {
    const column = toColumn(field, graph);
    if (column === undefined) continue;
    const flag = omitted?.get(field.name);
    if (selected !== undefined ? selected.get(field.name) === true : flag === undefined ? !isSecretColumn(node, field) : !flag) {
      columns.set(field.name, column);
    } else if (selected === undefined && flag === undefined) {
      secret.push(field.name);
    }
  }
  if (columns.size === 0) throw new TypeError(`${path}: leaves no column of ${node.name} visible; name at least one`);
  return { columns, secret };
}

/** A field as a column; `undefined` for relations and types without a JSON form. */
export function toColumn(field: DatamodelField, graph: ModelGraph): Column | undefined {
  const type =
    field.kind === 'enum' ? enumType(graph.enums[field.type]?.values ?? []) : field.kind === 'scalar' ? scalarType(field.type) : undefined;
  return (
    type && {
      name: field.name,
      type: field.type === 'Json' ? jsonType(type, graph.provider) : narrow(type, field.nativeType),
      field,
      nullable: !field.isRequired && !field.isList,
      list: field.isList,
    }
  );
}

/** The names of a model's own columns, for messages to the programmer. */
export function columnNames(node: ModelNode): string {
  return list([...node.fields.values()].filter(field => field.kind !== 'object').map(field => field.name));
}

/** Parses `{ id: true, email: false }`, where every name is a column of `node`. */
export function parseFlags(value: unknown, node: ModelNode, path: string): Map<string, boolean> {
  if (!isPlainObject(value)) throw new TypeError(`${path}: expected an object such as { id: true }`);
  const flags = new Map<string, boolean>();
  for (const [name, flag] of Object.entries(value)) {
    const field = node.fields.get(name);
    if (field === undefined) throw new TypeError(`${path}.${name}: ${node.name} has no field \`${name}\` (${columnNames(node)})`);
    if (field.kind === 'object') throw new TypeError(`${path}.${name}: is a relation; name it under include`);
    if (field.kind === 'unsupported') throw new TypeError(`${path}.${name}: its type ${field.type} has no JSON form; leave it out`);
    if (typeof flag !== 'boolean') throw new TypeError(`${path}.${name}: expected true or false`);
    flags.set(name, flag);
  }
  return flags;
}

const secretWords: ReadonlySet<string> = new Set(
  'pass pwd pw hash hashes hashed encrypted ciphertext digest salt salts otp totp pin pins cvv cvc mnemonic jwt'.split(' '),
);
const secretParts =
  /passw(or)?d|passphrase|passcode|passkey|secret|token|credential|(api|private|access|signing|encryption|session|auth|master)keys?|(recovery|backup|reset|verification|auth)codes?/;
/** A name that ends with one of these describes a secret and is none itself: `tokenType`. */
const describingWords: ReadonlySet<string> = new Set(['type', 'kind', 'status', 'algorithm']);
/** A column with one of these names holds a secret if its model is named after one: `ApiKey.key`. */
const contentWords: ReadonlySet<string> = new Set(['key', 'keys', 'code', 'codes', 'value', 'values', 'data', 'raw']);
/** Names that are secret even where the column is a number. */
const secretNumbers = /^(otp|totp|pins?|cvv|cvc)$/;
const secretNumberParts = /(passcode|(recovery|backup|reset|verification|auth)codes?)$/;

/**
 * Whether a column looks like a secret, by its name, its type and its model: `passwordHash`, `reset_token`, `ApiKey.key`.
 *
 * Secrets are String, Bytes or Json columns. Int and BigInt columns are secret only if they hold a code that people type (`pin`).
 * A foreign key is secret if the column that it points to is.
 */
function isSecretColumn(node: ModelNode, field: DatamodelField): boolean {
  if (field.isReadOnly) return isSecretReference(node, field, new Set());
  if (field.kind !== 'scalar') return false;
  const words = wordsOf(field.name);
  const joined = words.join('');
  switch (field.type) {
    case 'Int':
    case 'BigInt':
      return secretNumbers.test(words.at(-1) ?? '') || secretNumberParts.test(joined);
    case 'String':
    case 'Bytes':
    case 'Json':
      return isSecretName(field.name) || (words.length === 1 && contentWords.has(joined) && secretParts.test(wordsOf(node.name).join('')));
    default:
      return false;
  }
}

/** Whether the name of a text column looks like a secret. */
export function isSecretName(name: string): boolean {
  const words = wordsOf(name);
  if (describingWords.has(words.at(-1) ?? '')) return false;
  return words.some(word => secretWords.has(word)) || secretParts.test(words.join(''));
}

function isSecretReference({ relations }: ModelNode, field: DatamodelField, seen: Set<DatamodelField>): boolean {
  seen.add(field);
  return [...relations.values()].some(({ from, to, target }) => {
    const other = target.fields.get(to[from.indexOf(field.name)] ?? '');
    if (other === undefined || seen.has(other)) return false;
    return other.isReadOnly ? isSecretReference(target, other, seen) : isSecretColumn(target, other);
  });
}

/** The words of names that were asked for. Many models have columns of the same names. */
const knownWords = new Map<string, readonly string[]>();

function wordsOf(name: string): readonly string[] {
  const words = knownWords.get(name) ?? splitIntoWords(name);
  knownWords.set(name, words);
  return words;
}

function splitIntoWords(name: string): string[] {
  return name
    .replaceAll(/([a-z\d])([A-Z])/g, '$1 $2')
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter(word => word !== '');
}
