/** Prisma's code for a unique constraint that a write would break. */
export const UNIQUE_VIOLATION = 'P2002';
/** Prisma's code for a reference to a row that does not exist. */
export const FOREIGN_KEY_VIOLATION = 'P2003';
/** Prisma's code for a write that lost against another one, deadlocks among them. */
export const WRITE_CONFLICT = 'P2034';

/** Whether an error has this code of Prisma's; told by its shape, for several clients may be loaded. */
export function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}

const unreachableCodes: ReadonlySet<unknown> = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024']);

/** Whether an error says that the database is away, or too busy to answer: trying again later helps. */
export function isUnreachable(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && unreachableCodes.has(error.code);
}
