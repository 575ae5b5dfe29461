/** An argument of some operation, as Prisma names it. */
export type ArgumentName = 'where' | 'select' | 'orderBy' | 'take' | 'cursor' | 'data';

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
  /** Whether a model has the operation if its declaration does not name any. */
  readonly byDefault?: boolean;
}

/**
 * The delegate methods that an exposure may offer, in the order in which tools are listed. To add one, add its row here. TypeScript then names
 * the places that lack it: its plan (`tools.ts`) and its arguments in words (`model-description.ts`).
 */
const operationTable = {
  findUnique: { effect: 'reads', arguments: ['where', 'select'], policy: 'findUnique', keyed: true, byDefault: true },
  findMany: { effect: 'reads', arguments: ['where', 'select', 'orderBy', 'take', 'cursor'], policy: 'findMany', byDefault: true },
  count: { effect: 'reads', arguments: ['where'], policy: 'count', byDefault: true },
  create: { effect: 'creates', arguments: ['data'], policy: 'create' },
  update: { effect: 'updates', arguments: ['where', 'data'], policy: 'update', keyed: true },
  delete: { effect: 'deletes', arguments: ['where'], policy: 'delete', keyed: true },
} as const;

/** A delegate method that an exposure may offer. */
export type Operation = keyof typeof operationTable;
/** What the second argument of a policy function can be. */
export type PolicyOperation = (typeof operationTable)[Operation]['policy'];

/** All operations, in the order of the table. */
export const operationNames: readonly Operation[] = Object.keys(operationTable) as Operation[];

const rows: Readonly<Record<Operation, OperationRow>> = operationTable;

/** The row of an operation. */
export function operationRow(operation: Operation): OperationRow {
  return rows[operation];
}

/** Whether an operation changes nothing. */
export function isRead(operation: Operation): boolean {
  return rows[operation].effect === 'reads';
}
