import { isObject } from '../../protocol/definitions.ts';
import type { DatamodelField } from '../datamodel/datamodel.ts';
import type { Exposure, ModelGraph, ModelNode, UniqueKey } from '../datamodel/graph.ts';
import { rowKey } from '../datamodel/graph.ts';
import type { Args, Row } from '../declaration/delegates.ts';
import type { LiveListener, PreparedWrite } from './live-client.ts';

// A change is told as `<model key>:<row>` or, for any rows of the model, `<model key>:*`. A resource names the changes after which it may
// differ: `booking:7`, `booking:*`, or `booking` for every change of the model.

/** Operations whose result does not name each row that they wrote. */
const bulk: ReadonlySet<string> = new Set(['createMany', 'createManyAndReturn', 'updateMany', 'updateManyAndReturn', 'deleteMany']);
/** Longer keys are told as a change of the model. */
const maxKeyCharacters = 200;

/**
 * Tells the changes that writes of a live client make.
 *
 * The key of a row comes from the result of its write. So a write needs no further query.
 */
export function rowListener(graph: ModelGraph, { committed, onError }: Pick<LiveListener, 'committed' | 'onError'>): LiveListener {
  const watched = watchedModels(graph);
  return {
    prepare: (model, operation, args) => {
      const node = graph.byKey.get(model) ?? graph.byName.get(model);
      return node !== undefined && watched.has(node) ? prepareWrite(node, operation, args) : undefined;
    },
    committed,
    onError,
  };
}

/** `booking:7` for the row with these key columns; `booking:*` without it. */
function changeOf(node: ModelNode, row: Row | undefined): string {
  return `${node.key}:${(row && rowText(rowKey(node), row)) ?? '*'}`;
}

/** The same for a key that the app has named, which the database may give in another spelling. */
export function changeOfKey(node: ModelNode, key: Row | undefined): string {
  return changeOf(node, key && hasOneSpelling(node, key) ? key : undefined);
}

/** The changes after which the list of an exposure may differ. @param related The models that its query reads besides its own. */
export function listChanges({ node }: Exposure, related: Iterable<ModelNode>): string[] {
  return [node.key, ...keysOf(related)];
}

/**
 * The changes after which one row may differ.
 *
 * @param row The key columns of the URI.
 * @param related The models that the query reads besides its own.
 */
export function rowChanges({ node, provider, uniques }: Exposure, row: Row | undefined, related: Iterable<ModelNode>): string[] {
  const key = rowKey(node);
  const text = row !== undefined && uniques[0] === key && isExact(node, key, provider) ? rowText(key, row) : undefined;
  return [...(text === undefined ? [node.key] : [`${node.key}:${text}`, `${node.key}:*`]), ...keysOf(related)];
}

function keysOf(nodes: Iterable<ModelNode>): string[] {
  return Array.from(nodes, ({ key }) => key);
}

/** Adds the models of all relations that a `where`, or the `data` of a write, names. */
export function noteRelated(node: ModelNode, value: unknown, found: Set<ModelNode>): void {
  if (Array.isArray(value)) for (const item of value as unknown[]) noteRelated(node, item, found);
  if (!isObject(value)) return;
  for (const [name, part] of Object.entries(value)) {
    const relation = node.relations.get(name);
    if (relation !== undefined) {
      found.add(relation.target);
      noteRelated(relation.target, part, found);
    } else if (!node.fields.has(name)) noteRelated(node, part, found);
  }
}

/** The exposed models, and all models whose writes may reach one of them through relations. */
function watchedModels(graph: ModelGraph): ReadonlySet<ModelNode> {
  const watched = new Set([...graph.byKey.values()].filter(({ exposure }) => exposure !== undefined));
  for (const node of watched) {
    for (const { target } of node.relations.values()) watched.add(target);
  }
  return watched;
}

function prepareWrite(node: ModelNode, operation: string, args: Args): PreparedWrite {
  const { fields } = rowKey(node);
  const others = new Set<ModelNode>();
  for (const part of ['data', 'create', 'update']) noteRelated(node, args[part], others);
  // The database may delete rows of other models, or change their foreign keys.
  const isRekeyed = [args['data'], args['update']].some(data => isObject(data) && !operation.startsWith('create') && hasAny(data, fields));
  if (operation.startsWith('delete') || isRekeyed) noteReferring(node, others);
  const changes = [...others].map(other => changeOf(other, undefined));
  if (bulk.has(operation) || isRekeyed) {
    return { args, added: [], changesOf: () => [changeOf(node, undefined), ...changes] };
  }
  const named = operation === 'update' || operation === 'delete' ? rowOfWhere(node, args['where']) : undefined;
  if (named !== undefined) return { args, added: [], changesOf: () => [changeOf(node, named), ...changes] };
  return { ...withKey(args, fields), changesOf: row => [changeOf(node, row), ...changes] };
}

/** The key columns of the row that a `where` names by its key. `undefined` where the database may write the key differently. */
function rowOfWhere(node: ModelNode, where: unknown): Row | undefined {
  const key = rowKey(node);
  const row = isObject(where) ? (key.compound ? where[key.name] : where) : undefined;
  return isObject(row) && hasOneSpelling(node, row) ? row : undefined;
}

/** Whether the values of a key have the texts that a result would give them. */
function hasOneSpelling(node: ModelNode, row: Row): boolean {
  return rowKey(node).fields.every(name => hasOneText(row[name], node.fields.get(name)));
}

/** PostgreSQL takes a UUID in several spellings, and gives it in this one. */
const uuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/u;

function hasOneText(value: unknown, field: DatamodelField | undefined): boolean {
  if (field?.kind === 'enum' || field?.type === 'String')
    return typeof value === 'string' && (field.nativeType !== 'Uuid' || uuid.test(value));
  return (field?.type === 'Int' || field?.type === 'BigInt') && (typeof value === 'number' || typeof value === 'bigint');
}

/** Adds the models with a foreign key to `node`, and those with a foreign key to them. */
function noteReferring(node: ModelNode, found: Set<ModelNode>): void {
  for (const { back, target } of node.relations.values()) {
    if (back.length === 0 || found.has(target)) continue;
    found.add(target);
    noteReferring(target, found);
  }
}

/** The same write, whose result has the key. */
function withKey(args: Args, fields: readonly string[]): Pick<PreparedWrite, 'args' | 'added'> {
  const { select, omit } = args;
  if (isObject(select)) {
    const added = fields.filter(field => select[field] !== true);
    return { args: added.length === 0 ? args : { ...args, select: { ...select, ...valuesOf(added, true) } }, added };
  }
  if (!isObject(omit)) return { args, added: [] };
  const added = fields.filter(field => omit[field] === true);
  return { args: added.length === 0 ? args : { ...args, omit: { ...omit, ...valuesOf(added, false) } }, added };
}

function valuesOf(names: readonly string[], value: boolean): Record<string, boolean> {
  return Object.fromEntries(names.map(name => [name, value]));
}

function hasAny(data: Row, names: readonly string[]): boolean {
  return names.some(name => data[name] !== undefined);
}

/** `undefined` if a column is missing, or the text would be too long. */
function rowText(key: UniqueKey, row: Row): string | undefined {
  const texts: string[] = [];
  for (const field of key.fields) {
    const value = row[field];
    if (value === undefined || value === null) return undefined;
    texts.push(encodeURIComponent(uriText(value)));
  }
  const text = texts.join('/');
  return text.length > maxKeyCharacters || text === '*' ? undefined : text;
}

function uriText(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return String(value);
}

/** Whether equal keys have equal texts. Some databases compare text without regard to case, and numbers have several spellings. */
function isExact(node: ModelNode, key: UniqueKey, provider: string | undefined): boolean {
  return key.fields.every(name => {
    const { type, kind, nativeType } = node.fields.get(name) ?? {};
    if (kind === 'enum' || type === 'Int' || type === 'BigInt') return true;
    const isPlain = nativeType === undefined || /^(?:Text|VarChar|Uuid)/u.test(nativeType);
    return type === 'String' && isPlain && (provider === 'sqlite' || provider === 'postgresql');
  });
}
