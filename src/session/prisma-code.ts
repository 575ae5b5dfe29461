/** Prisma's code for a unique constraint that a write would break. */
export const UNIQUE_VIOLATION = 'P2002';
/** Prisma's code for a reference to a row that does not exist. */
export const FOREIGN_KEY_VIOLATION = 'P2003';

/** Whether an error has this code of Prisma's; told by its shape, for several clients may be loaded. */
export function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
