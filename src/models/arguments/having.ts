import { isObject } from '../../protocol/definitions.ts';
import type { Exposure, ModelNode } from '../datamodel/graph.ts';
import type { Args } from '../declaration/delegates.ts';
import { join, list, nameOf, parseObject, quote, refuse } from '../messages.ts';
import { isCombinator } from '../policy/simplify-where.ts';
import type { Computable, Measure } from './aggregates.ts';
import { aggregateNames, allRows, countedColumn, findMeasure } from './aggregates.ts';
import { havingHint } from './hints.ts';
import type { Place, WhereLimits } from './where.ts';
import { countCondition, deeper, parseOperators, placeOf } from './where.ts';

/** A condition on groups: on one aggregate, or on the conditions that it combines. */
export type Having =
  | { readonly measure: Measure; readonly filter: Args }
  | { readonly combinator: 'AND' | 'OR' | 'NOT'; readonly parts: readonly Having[] };

/**
 * Parses the condition on groups of a caller. It names the columns that aggregates can name, and its limits are those of a `where`.
 *
 * `{ price: { _sum: { gt: 100 } }, _count: { gte: 2 } }`. `_count` alone is the number of rows, for which Prisma has no form.
 */
export function parseHaving(exposure: Exposure, value: unknown, limits: WhereLimits, isComputable?: Computable): Having | undefined {
  if (value === undefined || (isObject(value) && Object.keys(value).length === 0)) return undefined;
  return parseConditions({ exposure, isComputable }, value, placeOf(limits, 'having'));
}

interface Groups {
  readonly exposure: Exposure;
  readonly isComputable: Computable | undefined;
}

function parseConditions(groups: Groups, value: unknown, place: Place): Having {
  const entries = Object.entries(parseObject(value, place.path));
  if (entries.length === 0) refuse(place.path, 'expected a condition, such as { "_count": { "gt": 1 } }');
  return all(entries.map(([name, part]) => parseEntry(groups, name, part, { ...place, path: join(place.path, name) })));
}

function parseEntry(groups: Groups, name: string, value: unknown, place: Place): Having {
  countCondition(place);
  if (isCombinator(name)) return parseCombined(groups, name, value, place);
  const { exposure, isComputable } = groups;
  if (name === '_count') {
    // `{ _count: { _all: { gt: 1 } } }` is how the other arguments name it.
    const isNamed = isObject(value) && Object.keys(value).length === 1 && Object.hasOwn(value, allRows);
    const measure = findMeasure(exposure, '_count', { name: allRows, at: place.path });
    return toCondition(measure, isNamed ? value[allRows] : value, place);
  }
  if (!exposure.columns.has(name)) {
    const known = [...exposure.columns.keys()];
    return refuse(
      place.path,
      `${exposure.node.name} has no column ${quote(name)} (${list(known)}, _count, AND, OR, NOT)${havingHint(exposure, name)}`,
    );
  }
  const aggregates = ['_count', ...aggregateNames];
  const conditions = isObject(value) ? Object.entries(value) : [];
  if (conditions.length === 0 || conditions.some(([aggregate]) => !aggregates.includes(aggregate))) {
    return refuse(
      place.path,
      `expected an aggregate (${list(aggregates)}), as { "_max": { … } }; conditions on the column belong into where`,
    );
  }
  return all(
    conditions.map(([aggregate, filter]) => {
      const at = join(place.path, aggregate);
      countCondition({ ...place, path: at });
      const measure = findMeasure(exposure, aggregate as Measure['aggregate'], { name, at, isComputable });
      return toCondition(measure, filter, { ...place, path: at });
    }),
  );
}

function toCondition(measure: Measure, value: unknown, place: Place): Having {
  const { aggregate, column, type, nullable } = measure;
  const comparable = { name: `${aggregate} of ${column}`, nullable, type: { ...type, operators: type.operators.filter(isComparison) } };
  // Prisma does not take null itself here.
  return {
    measure,
    filter: parseOperators(comparable, isObject(value) ? value : { equals: value }, place, { provider: undefined, insensitive: false }),
  };
}

/** Whether an operator compares values, rather than parts of texts. */
function isComparison(operator: string): boolean {
  return /^(lt|gt)e?$/.test(operator);
}

function parseCombined(groups: Groups, combinator: 'AND' | 'OR' | 'NOT', value: unknown, place: Place): Having {
  if (combinator === 'OR' && !Array.isArray(value)) refuse(place.path, `expected an array of objects, got ${nameOf(value)}`);
  const below = deeper(place);
  if (!Array.isArray(value)) return { combinator, parts: [parseConditions(groups, value, below)] };
  if (value.length === 0) refuse(place.path, 'expected at least one condition');
  return {
    combinator,
    parts: value.map((item, index) => parseConditions(groups, item, { ...below, path: `${place.path}[${index}]` })),
  };
}

function all(parts: readonly Having[]): Having {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { combinator: 'AND', parts };
}

/** The condition in Prisma's form: `{ AND: [{ price: { _sum: { gt: "100" } } }, { id: { _count: { gte: 2 } } }] }`. */
export function havingArgs(having: Having, node: ModelNode): Args {
  if ('combinator' in having) return { [having.combinator]: having.parts.map(part => havingArgs(part, node)) };
  const { measure, filter } = having;
  return { [countedColumn(measure, node)]: { [measure.aggregate]: filter } };
}

/** The aggregates that a condition is about. */
export function measuresOf(having: Having): readonly Measure[] {
  return 'combinator' in having ? having.parts.flatMap(measuresOf) : [having.measure];
}
