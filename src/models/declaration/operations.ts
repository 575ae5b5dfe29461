/** An argument of some operation, as Prisma names it. */
export type ArgumentName =
  | 'where'
  | 'select'
  | 'distinct'
  | 'by'
  | 'having'
  | 'orderBy'
  | 'take'
  | 'cursor'
  | 'data'
  | 'create'
  | 'update'
  | 'dryRun'
  | '_count'
  | '_sum'
  | '_avg'
  | '_min'
  | '_max';

/** What an operation does with rows. */
export type Effect = 'reads' | 'creates' | 'updates' | 'deletes';

interface OperationRow {
  readonly effect: Effect;
  /** The arguments of the operation, in the order in which messages name them. */
  readonly arguments: readonly ArgumentName[];
  /** The operation that a policy function is told. Hosts know only six, so that a further one meets a policy that was written before it. */
  readonly policy: 'findUnique' | 'findMany' | 'count' | 'create' | 'update' | 'delete';
  /** Whether the operation needs a unique key of visible columns. */
  readonly keyed?: boolean;
  /** The writes of single rows that the operation is made of. A model that Prisma cannot write so does not have the operation. */
  readonly writes?: readonly ('create' | 'update' | 'delete')[];
  /** Whether a model has the operation if its declaration does not name any. */
  readonly byDefault?: boolean;
}

/**
 * The delegate methods that an exposure may offer, in the order in which tools are listed. To add one, add its row here. TypeScript then names
 * the places that lack it: its plan (`tools.ts`) and its arguments in words (`model-description.ts`).
 */
const operationTable = {
  findUnique: { effect: 'reads', arguments: ['where', 'select'], policy: 'findUnique', keyed: true, byDefault: true },
  findFirst: { effect: 'reads', arguments: ['where', 'select', 'orderBy'], policy: 'findMany' },
  findMany: {
    effect: 'reads',
    arguments: ['where', 'select', 'orderBy', 'take', 'cursor', 'distinct'],
    policy: 'findMany',
    byDefault: true,
  },
  count: { effect: 'reads', arguments: ['where'], policy: 'count', byDefault: true },
  aggregate: { effect: 'reads', arguments: ['where', '_count', '_sum', '_avg', '_min', '_max'], policy: 'findMany' },
  groupBy: {
    effect: 'reads',
    arguments: ['by', 'where', 'having', 'orderBy', 'take', '_count', '_sum', '_avg', '_min', '_max'],
    policy: 'findMany',
  },
  create: { effect: 'creates', arguments: ['data'], policy: 'create', writes: ['create'] },
  createMany: { effect: 'creates', arguments: ['data'], policy: 'create', writes: ['create'] },
  update: { effect: 'updates', arguments: ['where', 'data'], policy: 'update', keyed: true, writes: ['update'] },
  updateMany: { effect: 'updates', arguments: ['where', 'data', 'dryRun'], policy: 'update', writes: ['update'] },
  upsert: { effect: 'updates', arguments: ['where', 'create', 'update'], policy: 'update', keyed: true, writes: ['create', 'update'] },
  delete: { effect: 'deletes', arguments: ['where'], policy: 'delete', keyed: true, writes: ['delete'] },
  deleteMany: { effect: 'deletes', arguments: ['where', 'dryRun'], policy: 'delete', writes: ['delete'] },
} as const;

/** A delegate method that an exposure may offer. */
export type Operation = keyof typeof operationTable;
/** Those of them that change nothing. */
export type ReadOperation = {
  [O in Operation]: (typeof operationTable)[O]['effect'] extends 'reads' ? O : never;
}[Operation];
/** What the second argument of a policy function can be. */
export type PolicyOperation = (typeof operationTable)[Operation]['policy'];

/** All operations, in the order of the table. */
export const operationNames: readonly Operation[] = Object.keys(operationTable) as Operation[];

/** The rows of the operations. */
export const operationRows: Readonly<Record<Operation, OperationRow>> = operationTable;

/** The writes of single rows that an operation is made of: `['create', 'update']` for `upsert`, none for a read. */
export function writesOf(operation: Operation): readonly ('create' | 'update' | 'delete')[] {
  return operationRows[operation].writes ?? [];
}

/** Whether an operation changes nothing. */
export function isRead(operation: Operation): boolean {
  return operationRows[operation].effect === 'reads';
}

/** Whether an operation writes several rows at once, so that `maxWrites` bounds it. */
export function isBulk(operation: Operation): boolean {
  return operation === 'createMany' || operation === 'updateMany' || operation === 'deleteMany';
}
