import type { Exposure, Relation } from './graph.ts';
import { rowKey } from './graph.ts';
import { isObject, list } from './messages.ts';

/**
 * Why callers cannot filter by a relation; `undefined` if they can.
 *
 * They can if its model is exposed for reading, and the rows already show which row they are related to: by a visible foreign key, or by
 * including the related row with its key. Where rows do not show it, a filter by the related id would reveal it. A relation between two lists
 * has no foreign key, so one side must include the other.
 */
export function whyNotFilterable(exposure: Exposure, relation: Relation): string | undefined {
  const { node, columns } = exposure;
  const { from, back, target, opposite = '' } = relation;
  if (target.exposure === undefined) return `${target.name} is not exposed`;
  if (!target.exposure.readable) return `no operation reads ${target.name}`;
  const hiddenBack = back.filter(name => target.exposure?.columns.has(name) !== true);
  if (hiddenBack.length > 0) return `${target.name}.${list(hiddenBack)} is hidden`;
  const hidden = from.filter(name => !columns.has(name));
  if (hidden.length > 0) {
    return isShown(exposure, relation)
      ? undefined
      : `${node.name}.${list(hidden)} is hidden, and rows do not include all of ${target.name} with its key`;
  }
  if (from.length > 0 || back.length > 0) return undefined;
  const other = target.relations.get(opposite);
  if (isShown(exposure, relation) || (other !== undefined && isShown(target.exposure, other))) return undefined;
  return `neither ${node.name} nor ${target.name} includes all of the other with its key`;
}

/** Whether rows include all rows of this relation with their key. */
function isShown({ selection }: Exposure, relation: Relation): boolean {
  const included = selection.relations.find(each => each.relation === relation);
  const args = Object.hasOwn(selection.select, relation.name) ? selection.select[relation.name] : undefined;
  const isFiltered = isObject(args) && args['where'] !== undefined;
  const names = included?.selection.columns.map(column => column.name) ?? [];
  const key = relation.to.length > 0 ? relation.to : rowKey(relation.target).fields;
  return included !== undefined && !isFiltered && key.every(name => names.includes(name));
}
