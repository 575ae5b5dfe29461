import type { PlantedBug as Planted } from '../simulation/planted-bugs.ts';

/** A bug that is put into the source as it is loaded. The hunt has to find it. */
export interface PlantedBug extends Omit<Planted, 'seed'> {
  /** Seed of the hunt whose 5,000 requests find it. @default 1 */
  readonly seed?: number;
}

/** Ways to lose a policy, or to show a hidden column. */
export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'lists-without-policy',
    what: 'some and none ask hidden related rows too',
    file: 'src/models/policy/related-policies.ts',
    find: 'return { [operator]: both(where, policy) ?? {} };',
    replace: 'return { [operator]: where };',
  },
  {
    name: 'every-without-policy',
    what: 'every asks hidden related rows too',
    file: 'src/models/policy/related-policies.ts',
    find: 'return { none: { AND: [policy, { NOT: where }] } };',
    replace: 'return { none: { NOT: where } };',
  },
  {
    name: 'rows-without-policy',
    what: 'is and isNot ask a hidden related row too',
    file: 'src/models/policy/related-policies.ts',
    find: 'return both(scopeConditions(relation.target, where, place), policyAt(relation, place)) ?? {};',
    replace: 'return scopeConditions(relation.target, where, place);',
  },
  {
    name: 'three-valued',
    what: 'a policy inside a filter comes out as NULL',
    file: 'src/models/policy/related-policies.ts',
    find: 'return twoValued(target, policy);',
    replace: 'return policy;',
  },
  {
    name: 'three-valued-writes',
    seed: 2,
    what: 'the policy of a write comes out as NULL',
    file: 'src/models/policy/policy.ts',
    find: 'return filter !== undefined && writes.has(operation) ? twoValued(node, filter) : filter;',
    replace: 'return filter;',
  },
  {
    name: 'shared-policies',
    what: 'the policy of one caller is used for the next',
    file: 'src/models/policy/policy.ts',
    find: 'readonly #filters = new Map<string, RowFilter>();',
    replace: 'readonly #filters = ((globalThis as { kept?: Map<string, RowFilter> }).kept ??= new Map<string, RowFilter>());',
  },
  {
    name: 'hidden-column-in-where',
    what: 'a hidden column can be filtered by',
    file: 'src/models/arguments/where.ts',
    find: 'else if (isCombinator(name)) where[name] = parseCombined(',
    replace:
      'else if (exposure.node.fields.has(name) && !exposure.node.relations.has(name)) where[name] = part;\n    else if (isCombinator(name)) where[name] = parseCombined(',
  },
  {
    name: 'hidden-column-in-order',
    seed: 3,
    what: 'rows can be ordered by a hidden column',
    file: 'src/models/arguments/arguments.ts',
    find: 'if (column !== undefined && isSortable(column)) return parseDirection(column, order, path);',
    replace:
      'if (exposure.node.fields.has(name) && !exposure.node.relations.has(name)) return parseDirection(column ?? ({} as Column), order, path);',
  },
  {
    name: 'count-without-policy',
    what: 'count counts hidden rows',
    file: 'src/models/queries/reads.ts',
    find: "call(delegate, 'count', whereOf(scoped))",
    replace: "call(delegate, 'count', whereOf({ ...scoped, filter: undefined }))",
  },
  {
    name: 'keys-of-all-callers',
    what: 'an idempotency key that another caller has used gives the result of that caller',
    file: 'src/models/queries/idempotency.ts',
    find: '...callerOf(ctx), ',
    replace: '',
  },
  {
    name: 'row-without-policy',
    what: 'findUnique, prompts, fetch and the resources of rows find hidden rows',
    file: 'src/models/queries/reads.ts',
    find: 'where: filter === undefined ? where : { ...where, AND: [filter] },',
    replace: 'where,',
  },
  {
    name: 'search-in-hidden-columns',
    what: 'the tool search finds rows by the text of a hidden column',
    file: 'src/models/features/search.ts',
    find: 'OR: search.columns.map(({ name }) =>',
    replace: "OR: [...exposure.node.fields.values()].filter(each => each.type === 'String' && !each.isList).map(({ name }) =>",
  },
  {
    name: 'completion-without-policy',
    what: 'completions are values of hidden rows',
    file: 'src/models/queries/reads.ts',
    find: 'const args = { ...whereOf(scoped), select: { [column]: true }',
    replace: 'const args = { ...whereOf({ ...scoped, filter: undefined }), select: { [column]: true }',
  },
  {
    name: 'cursor-without-policy',
    what: 'a page begins after a hidden row',
    file: 'src/models/queries/reads.ts',
    find: 'await assertCursor(exposure, delegate, cursor, scoped.filter);',
    replace: 'await assertCursor(exposure, delegate, cursor, undefined);',
  },
  {
    name: 'scoped-cursor-without-policy',
    what: 'a page of ctx.prisma begins after a hidden row',
    file: 'src/models/queries/scoped-operations.ts',
    find: 'isCursorHidden ? nothing(node, scoped) : scoped',
    replace: 'isCursorHidden ? scoped : scoped',
  },
  {
    name: 'unchecked-write',
    what: 'a write may leave a row that the policy hides',
    file: 'src/models/queries/writes.ts',
    find: 'const where = both(columnsWhere(key.fields, written), filter);',
    replace: 'const where = columnsWhere(key.fields, written);',
  },
  {
    name: 'update-of-hidden-rows',
    what: 'an update finds hidden rows, and is only checked afterwards',
    file: 'src/models/queries/writes.ts',
    find: 'const scoped = args.where === undefined ? args : { ...args, where: within(args.where, filter) };',
    replace: 'const scoped = args;',
  },
  {
    name: 'delete-of-hidden-rows',
    what: 'delete deletes hidden rows',
    file: 'src/models/queries/writes.ts',
    find: "const filter = await policies.settled(() => policies.filter(node, 'delete'));",
    replace: 'const filter = undefined;',
  },
  {
    name: 'unchecked-reference',
    what: 'a write may refer to a hidden row',
    file: 'src/models/queries/writes.ts',
    find: 'await assertReferences(tx, references, name => exposure.columns.has(name));',
    replace: '',
  },
  {
    name: 'many-without-policy',
    what: 'updateMany and deleteMany find hidden rows',
    file: 'src/models/queries/bulk-writes.ts',
    find: 'const filter = policies.filter(node, operation);',
    replace: 'const filter = undefined;',
  },
  {
    name: 'many-outside',
    what: 'a write of many rows may leave rows that the policy hides',
    file: 'src/models/queries/row-chunks.ts',
    find: 'if (left !== chunk.length) throw outsidePolicy(node, operation);',
    replace: '',
  },
  {
    name: 'many-unchecked-references',
    what: 'createMany may refer to hidden rows',
    file: 'src/models/queries/bulk-writes.ts',
    find: 'await assertReferences(tx, references, isVisible);',
    replace: '',
  },
  {
    name: 'many-counted',
    what: 'maxWrites counts hidden rows',
    file: 'src/models/queries/bulk-writes.ts',
    find: "const rows = await call(delegate, 'findMany', { where: scoped, orderBy, select, ...take });",
    replace:
      "if ((await call(delegate, 'count', { where })) > maxWrites) refuse('where', 'more');\n    const rows = await call(delegate, 'findMany', { where: scoped, orderBy, select, ...take });",
  },
  {
    name: 'join-without-policy',
    what: 'an included row comes though its policy hides it',
    file: 'src/models/queries/scoped-selection.ts',
    find: "filter: relatedWhere(relation, part['where'], policies) ?? {},",
    replace: 'filter: {},',
  },
  {
    name: 'relation-counts-without-policy',
    what: '_count counts hidden rows',
    file: 'src/models/queries/scoped-selection.ts',
    find: 'if (where !== undefined) select[relation.name] = { where };',
    replace: '',
  },
  {
    name: 'first-without-policy',
    what: 'findFirst finds hidden rows',
    file: 'src/models/queries/reads.ts',
    find: 'const args = Object.assign(whereOf(scoped), { orderBy, select:',
    replace: 'const args = Object.assign(whereOf({ ...scoped, filter: undefined }), { orderBy, select:',
  },
  {
    name: 'aggregate-without-policy',
    what: 'aggregates are computed of hidden rows too',
    file: 'src/models/queries/reads.ts',
    find: 'const args = Object.assign(aggregateArgs(aggregates), whereOf(scoped));',
    replace: 'const args = Object.assign(aggregateArgs(aggregates), whereOf({ ...scoped, filter: undefined }));',
  },
  {
    name: 'groups-without-policy',
    what: 'groups hold hidden rows too',
    file: 'src/models/queries/reads.ts',
    find: 'groupArgs(query, node), whereOf(scoped));',
    replace: 'groupArgs(query, node), whereOf({ ...scoped, filter: undefined }));',
  },
  {
    name: 'distinct-without-policy',
    what: 'a hidden row takes the place of a visible one that is equal in the distinct columns',
    file: 'src/models/queries/reads.ts',
    find: 'const light = { ...whereOf(scoped), select:',
    replace: 'const light = { ...whereOf({ ...scoped, filter: undefined }), select:',
  },
  {
    name: 'hidden-column-in-by',
    seed: 3,
    what: 'rows can be grouped by a hidden column',
    file: 'src/models/arguments/group-by.ts',
    find: 'const column = exposure.columns.get(name);',
    replace:
      'const found = exposure.node.fields.get(name);\n  const column = exposure.columns.get(name) ?? (found?.kind === "scalar" ? ({ name, field: found, type: {}, nullable: true, list: false } as unknown as Column) : undefined);',
  },
];
