import { columnNames, parseFlags, resolveColumns } from '../datamodel/columns.ts';
import type { Columns, IncludedRelation, ModelGraph, ModelNode, Relation, Selection } from '../datamodel/graph.ts';
import { hasPolicy, rowKey, selectOf } from '../datamodel/graph.ts';
import type { Args } from '../declaration/delegates.ts';
import { isPlainObject, list } from '../messages.ts';
import { assertKeys, assertTake, defaultTake, resolveOrder, resolveWhere } from './host-args.ts';
import { assertOrderInSight } from './policy.ts';

/** The property of a row that names the relations whose list was cut. No Prisma field can have this name. */
export const truncatedKey = '_truncated';

const toManyOptions = ['select', 'omit', 'include', 'where', 'orderBy', 'take'];
const toOneOptions = ['select', 'omit', 'include'];
const optionalOptions = [...toOneOptions, 'where'];

/** Where an `include` is declared. */
export interface IncludePlace {
  readonly graph: ModelGraph;
  /** E.g. `models.booking.include`. */
  readonly path: string;
}

/**
 * The selection of a row: these columns and the declared `include`.
 *
 * @throws {TypeError} at an unknown relation or option, at a related column that its own exposure hides, and at a related
 * model that is not exposed and has no `select` here.
 */
export function resolveSelection(node: ModelNode, columns: Columns, include: unknown, place: IncludePlace): Selection {
  const { path } = place;
  const select: Args = selectOf(columns.keys());
  const relations: IncludedRelation[] = [];
  let counts: string[] = [];
  let filtered = false;
  if (include !== undefined && !isPlainObject(include)) throw new TypeError(`${path}: expected an object such as { client: true }`);
  for (const [name, value] of Object.entries(include ?? {})) {
    const at = `${path}.${name}`;
    if (value === false || value === undefined) continue;
    if (name === '_count') {
      const counted = resolveCounts(node, value, at);
      counts = Object.keys(counted);
      select['_count'] = { select: counted };
      filtered ||= counts.some(count => isFiltered(node.relations.get(count), counted[count]));
      continue;
    }
    const relation = node.relations.get(name);
    if (relation === undefined) throw new TypeError(`${at}: ${node.name} has no relation \`${name}\` (${list(node.relations.keys())})`);
    const { included, args } = resolveIncluded(relation, value, { ...place, path: at });
    relations.push(included);
    select[name] = args;
    filtered ||= included.selection.filtered || isFiltered(relation, args);
  }
  return { columns: [...columns.values()], relations, counts, select, filtered };
}

function resolveIncluded(relation: Relation, value: unknown, place: IncludePlace): { included: IncludedRelation; args: Args } {
  const { target, toMany } = relation;
  const { path } = place;
  const declared = value === true ? {} : value;
  assertKeys(declared, toMany ? toManyOptions : relation.required ? toOneOptions : optionalOptions, path);
  const columns = resolveRelatedColumns(target, declared, place);
  const selection = resolveSelection(target, columns, declared['include'], { ...place, path: `${path}.include` });
  const args: Args = { select: selection.select };
  if (declared['where'] !== undefined) args['where'] = resolveWhere(declared['where'], target, `${path}.where`);
  if (!toMany) {
    return { included: { relation, selection, take: undefined, nullable: !relation.required || hasPolicy(target) }, args };
  }
  const take = declared['take'] ?? target.exposure?.take ?? defaultTake;
  assertTake(take, `${path}.take`);
  args['orderBy'] =
    declared['orderBy'] === undefined && target.exposure !== undefined
      ? [...target.exposure.orderBy]
      : resolveOrder(declared['orderBy'], target, rowKey(target), `${path}.orderBy`);
  assertOrderInSight(target, args['orderBy'], `${path}.orderBy`);
  args['take'] = take + 1;
  return { included: { relation, selection, take, nullable: false }, args };
}

function resolveRelatedColumns(target: ModelNode, declared: Args, { graph, path }: IncludePlace): Columns {
  const { exposure } = target;
  if (exposure === undefined) {
    if (declared['select'] === undefined) {
      throw new TypeError(`${path}: ${target.name} is not exposed; name the columns in select, or add models.${target.key}`);
    }
    return resolveColumns(target, graph, declared, path).columns;
  }
  const { select, omit } = declared;
  if (select !== undefined && omit !== undefined) throw new TypeError(`${path}: has both select and omit; keep one`);
  if (select === undefined && omit === undefined) return exposure.columns;
  const option = select === undefined ? 'omit' : 'select';
  const flags = parseFlags(select ?? omit, target, `${path}.${option}`);
  for (const [name, flag] of flags) {
    if (option === 'select' && flag && !exposure.columns.has(name)) {
      throw new TypeError(`${path}.select.${name}: models.${target.key} hides it (it shows ${list(exposure.columns.keys())})`);
    }
  }
  const columns = new Map(
    [...exposure.columns].filter(([name]) => (option === 'select' ? flags.get(name) === true : flags.get(name) !== true)),
  );
  if (columns.size === 0) throw new TypeError(`${path}: leaves no column of ${target.name} visible (${columnNames(target)})`);
  return columns;
}

function resolveCounts(node: ModelNode, value: unknown, path: string): Args {
  assertKeys(value, ['select'], path);
  const { select } = value;
  if (!isPlainObject(select)) throw new TypeError(`${path}.select: expected an object such as { bookings: true }`);
  const counts: Args = {};
  for (const [name, part] of Object.entries(select)) {
    const relation = node.relations.get(name);
    const at = `${path}.select.${name}`;
    if (relation?.toMany !== true) {
      const lists = [...node.relations.values()].filter(known => known.toMany).map(known => known.name);
      throw new TypeError(`${at}: ${node.name} has no list relation \`${name}\` (${list(lists)})`);
    }
    if (part === false) continue;
    if (part === true) counts[name] = true;
    else {
      assertKeys(part, ['where'], at);
      counts[name] = { where: resolveWhere(part['where'], relation.target, `${at}.where`) };
    }
  }
  return counts;
}

/** Whether a policy may apply to this relation: that of the related model, or one behind the relation filters of the host's `where`. */
function isFiltered(relation: Relation | undefined, args: unknown): boolean {
  return relation !== undefined && (hasPolicy(relation.target) || (isPlainObject(args) && args['where'] !== undefined));
}
