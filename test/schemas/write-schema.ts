import type { Random } from '../chaos/random.ts';
import { random } from '../chaos/random.ts';
import type { ColumnWord } from './words.ts';
import { areas, columnComments, columns, hubs, modelComments, nouns, prefixes, stems, values } from './words.ts';

/** What a synthetic schema is like. */
export interface SyntheticOptions {
  readonly models: number;
  /** @default 1 */
  readonly seed?: number;
  /** SQLite has no lists and no native types. @default 'postgresql' */
  readonly provider?: 'sqlite' | 'postgresql';
}

interface Model {
  readonly name: string;
  readonly kind: 'hub' | 'wide' | 'plain' | 'join' | 'view';
  readonly id: { readonly type: string; readonly attributes: string };
  readonly lines: string[];
  /** Lines that begin with `@@`. */
  readonly blocks: string[];
  readonly names: Set<string>;
}

interface Schema extends SyntheticOptions {
  readonly random: Random;
  readonly models: number;
  readonly enums: readonly Enum[];
  readonly large: readonly Enum[];
  readonly isPostgres: boolean;
}

interface Enum {
  readonly name: string;
  readonly values: readonly string[];
}

const modelsPerFile = 40;

const ids = [
  { type: 'String', attributes: '@id @default(cuid())' },
  { type: 'String', attributes: '@id @default(cuid())' },
  { type: 'Int', attributes: '@id @default(autoincrement())' },
  { type: 'String', attributes: '@id @default(uuid()) @db.Uuid' },
  { type: 'BigInt', attributes: '@id @default(autoincrement())' },
] as const;

/**
 * The files of a schema without datasource and generators, by name.
 *
 * Models have 4 to 60 columns, single and compound ids and uniques, relations to one, to many, between lists and to themselves, enums of 3 to
 * 150 values, lists, Json, native types and `///` comments. Some are views.
 */
export function writeSchema({ models: count, seed = 1, provider = 'postgresql' }: SyntheticOptions): Record<string, string> {
  const chosen = random(seed);
  const schema: Schema = {
    models: count,
    random: chosen,
    isPostgres: provider === 'postgresql',
    enums: Array.from({ length: Math.ceil(count / 3) }, (_, index) => smallEnum(chosen, index)),
    large: [numbered('Currency', 160), numbered('Country', 60), numbered('Provider', 28)],
  };
  const models = namesOf(count).map((name, index) => plan(schema, name, index));
  for (const model of models) addColumns(schema, model);
  for (const [index, model] of models.entries()) addRelations(schema, model, models, index);
  const files: Record<string, string> = { 'enums.prisma': [...schema.enums, ...schema.large].map(writeEnum).join('\n\n') };
  for (let start = 0; start < models.length; start += modelsPerFile) {
    files[`models-${start / modelsPerFile + 1}.prisma`] = models
      .slice(start, start + modelsPerFile)
      .map(model => writeModel(schema, model))
      .join('\n\n');
  }
  return files;
}

function namesOf(count: number): string[] {
  const names: string[] = hubs.slice(0, Math.max(2, Math.min(hubs.length, count / 5)));
  for (let index = 0; names.length < count; index++) {
    const area = index % areas.length;
    const round = Math.floor(index / areas.length);
    names.push(`${areas[area]}${nouns[(area + round) % nouns.length]}${round < nouns.length ? '' : round}`);
  }
  return names;
}

function smallEnum({ between }: Random, index: number): Enum {
  const start = between(0, values.length - 9);
  return {
    name: `${areas[index % areas.length]}State${Math.floor(index / areas.length) || ''}`,
    values: values.slice(start, start + between(3, 8)),
  };
}

function numbered(name: string, count: number): Enum {
  return {
    name,
    values: Array.from(
      { length: count },
      (_, index) => `${name.slice(0, 2).toUpperCase()}${String.fromCharCode(65 + (index % 26))}${index}`,
    ),
  };
}

function plan({ random: { chance, pick }, isPostgres }: Schema, name: string, index: number): Model {
  const isHub = index < hubs.length && (hubs as readonly string[]).includes(name);
  const kind = isHub ? 'hub' : chance(0.07) ? 'wide' : chance(0.1) ? 'join' : index > 8 && chance(0.04) ? 'view' : 'plain';
  const { type, attributes } = pick(ids);
  return {
    name,
    kind,
    id: { type, attributes: isPostgres ? attributes : attributes.replace(' @db.Uuid', '').replace('BigInt', 'Int') },
    lines: [],
    blocks: [],
    names: new Set(['id']),
  };
}

function addColumns(schema: Schema, model: Model): void {
  const { between } = schema.random;
  const count = { hub: [12, 26], wide: [24, 60], plain: [4, 14], join: [1, 4], view: [4, 10] }[model.kind] as [number, number];
  const wanted = between(...count);
  const pool = shuffled(schema.random, columns);
  // Most tables say when a row was made and changed.
  const common = columns.filter(([name]) => name === 'createdAt' || (name === 'updatedAt' && model.kind !== 'join'));
  const compound = shuffled(
    schema.random,
    prefixes.flatMap(prefix => stems.map(([stem, type]): ColumnWord => [`${prefix}${stem}`, type, defaultOf(type)])),
  );
  for (const word of [...common, ...pool, ...compound]) {
    if (model.names.size > wanted) break;
    if (!model.names.has(word[0])) addColumn(schema, model, word);
  }
}

function defaultOf(type: string): string {
  return type === 'Int' ? '@default(0)' : type === 'Boolean' ? '@default(false)' : '';
}

function addColumn(
  { random: { chance, pick }, enums, large, isPostgres }: Schema,
  model: Model,
  [name, word, attributes = '']: ColumnWord,
): void {
  const optional = word.endsWith('?') ? '?' : '';
  const source = word.startsWith('ENUM') ? pick(enums) : word.startsWith('LARGE') ? pick(large) : undefined;
  if (word === 'LIST' && !isPostgres) return;
  const type = source === undefined ? (word === 'LIST' ? 'String[]' : word) : `${source.name}${optional}`;
  let rest = attributes.replace('FIRST', source?.values[0] ?? '');
  if (!isPostgres) rest = rest.replace(/@db\.\w+(\([^)]*\))?/, '');
  if (model.kind === 'view') rest = rest.replaceAll(/@(default\((?:[^()]|\(\))*\)|updatedAt|unique)/g, '');
  if (chance(0.12)) model.lines.push(...commentLines(pick(columnComments)));
  model.lines.push(`${name} ${type} ${rest}`.trim());
  model.names.add(name);
}

/** Foreign keys point to earlier models, mostly to hubs. A view points to none. */
function addRelations(schema: Schema, model: Model, models: readonly Model[], index: number): void {
  const { between, chance, pick } = schema.random;
  if (model.kind === 'view') return;
  const earlier = models.slice(0, index).filter(({ kind }) => kind !== 'view' && kind !== 'join');
  const central = earlier.filter(({ kind }) => kind === 'hub');
  const wanted = model.kind === 'join' ? 2 : Math.min(earlier.length, between(1, model.kind === 'plain' ? 3 : 5));
  const keys: string[] = [];
  for (let made = 0; made < wanted && earlier.length > 0; made++) {
    const target = pick(chance(0.6) && central.length > 0 ? central : earlier);
    const key = connect(
      schema,
      model,
      target,
      model.kind === 'join' ? 'part' : chance(0.05) ? 'one' : chance(0.35) ? 'optional' : 'required',
    );
    if (key !== undefined) keys.push(key);
  }
  if (model.kind === 'join' && keys.length === 2) model.blocks.push(`@@id([${keys.join(', ')}])`);
  else if (keys.length > 1 && chance(0.3)) model.blocks.push(`@@unique([${keys.slice(0, 2).join(', ')}])`);
  if (model.kind === 'plain' && chance(0.08)) addSelf(model, model.id.type);
  if (model.kind === 'plain' && chance(0.06) && central.length > 0) addLists(model, pick(central));
}

type Link = 'part' | 'one' | 'optional' | 'required';

/** Adds a foreign key to `model` and the list to `target`; the name of the key. */
function connect({ isPostgres }: Schema, model: Model, target: Model, link: Link): string | undefined {
  const roles = ['', 'created', 'assigned', 'approved', 'invited'];
  const field = roles.map(role => (role === '' ? lower(target.name) : `${role}By${target.name}`)).find(name => !model.names.has(name));
  if (field === undefined || (link === 'part' && model.names.has(lower(target.name)))) return undefined;
  const key = `${field}Id`;
  const relation = `${model.name}_${field}`;
  const optional = link === 'optional' ? '?' : '';
  const native = isPostgres && target.id.attributes.includes('@db.Uuid') ? ' @db.Uuid' : '';
  model.lines.push(
    `${key} ${target.id.type}${optional}${link === 'one' ? ' @unique' : ''}${native}`,
    `${field} ${target.name}${optional} @relation("${relation}", fields: [${key}], references: [id])`,
  );
  if (link !== 'one') model.blocks.push(`@@index([${key}])`);
  const plural = `${lower(model.name)}${link === 'one' ? '' : 's'}`;
  const back = [plural, `${field}${capital(plural)}`].find(name => !target.names.has(name)) ?? relation;
  target.lines.push(`${back} ${model.name}${link === 'one' ? '?' : '[]'} @relation("${relation}")`);
  target.names.add(back);
  model.names.add(key).add(field);
  return key;
}

function addSelf(model: Model, type: string): void {
  const native = model.id.attributes.includes('@db.Uuid') ? ' @db.Uuid' : '';
  const relation = `${model.name}_tree`;
  model.lines.push(
    `parentId ${type}?${native}`,
    `parent ${model.name}? @relation("${relation}", fields: [parentId], references: [id], onDelete: NoAction, onUpdate: NoAction)`,
    `children ${model.name}[] @relation("${relation}")`,
  );
}

/** A relation between two lists, without a foreign key. */
function addLists(model: Model, target: Model): void {
  const relation = `${model.name}_shared`;
  model.lines.push(`shared${target.name}s ${target.name}[] @relation("${relation}")`);
  target.lines.push(`shared${model.name}s ${model.name}[] @relation("${relation}")`);
}

function writeModel({ random: { chance, pick } }: Schema, model: Model): string {
  const { kind, name, id, lines, blocks } = model;
  const comment = chance(0.35) ? commentLines(pick(modelComments)) : [];
  const isCompound = blocks.some(block => block.startsWith('@@id'));
  const key = kind === 'view' ? [`id ${id.type.replace('?', '')} @unique`] : isCompound ? [] : [`id ${id.type} ${id.attributes}`];
  return [
    ...comment,
    `${kind === 'view' ? 'view' : 'model'} ${name} {`,
    ...[...key, ...lines, ...blocks].map(line => `  ${line}`),
    '}',
  ].join('\n');
}

function writeEnum({ name, values: own }: Enum): string {
  return `enum ${name} {\n${own.map(value => `  ${value}`).join('\n')}\n}`;
}

function commentLines(comment: string): string[] {
  return comment.split('\n').map(line => `/// ${line}`);
}

function shuffled<T>({ between }: Random, items: readonly T[]): T[] {
  const left = [...items];
  return items.map(() => left.splice(between(0, left.length - 1), 1)[0] as T);
}

function lower(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
