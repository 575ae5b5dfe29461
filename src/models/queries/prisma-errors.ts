import { ToolError } from '../../errors.ts';
import type { ExplainedError } from '../../protocol/definitions.ts';
import type { Exposure, ModelNode } from '../datamodel/graph.ts';
import { isPlainObject, list, withArticle } from '../messages.ts';

/**
 * Runs a query of Prisma, and once more if it lost against a concurrent transaction (P2034). Its errors become errors that a model can act on.
 *
 * @param mayRepeat Other errors after which the query runs once more.
 */
export async function attempt<T>(
  exposure: Exposure,
  operation: string,
  work: () => Promise<T>,
  mayRepeat?: (error: unknown) => boolean,
): Promise<T> {
  const run = mayRepeat === undefined ? work : (): Promise<T> => orAgain(work, mayRepeat);
  try {
    return await orAgain(run, isWriteConflict);
  } catch (error) {
    throw toToolError(error, exposure, operation);
  }
}

function orAgain<T>(work: () => Promise<T>, mayRepeat: (error: unknown) => boolean): Promise<T> {
  return work().catch((error: unknown) => {
    if (mayRepeat(error)) return work();
    throw error;
  });
}

/** The `code` of a known Prisma error, e.g. `P2025`. Recognised by its shape, because several clients may be loaded. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' && /^P\d{4}$/.test(error.code) ? error.code : undefined;
}

/** Whether a transaction lost against a concurrent one. It may be repeated. */
export function isWriteConflict(error: unknown): boolean {
  return codeOf(error) === 'P2034';
}

/** Whether a write failed because another row has the same unique value. */
export function isUniqueViolation(error: unknown): boolean {
  return codeOf(error) === 'P2002';
}

/** Whether a write failed because its row exists, or does not. Another call may just have created or deleted it. */
export function isOfExistence(error: unknown): boolean {
  return isUniqueViolation(error) || codeOf(error) === 'P2025';
}

/** The error for a row that does not exist. A row that the policy hides gets the same. */
export function notFound(exposure: Exposure, cause?: unknown): ToolError {
  return new ToolError(`not found: no ${exposure.node.name} matches where`, { status: 404, cause });
}

/** The error for a write that would leave a row which the policy hides. */
export function outsidePolicy({ name }: ModelNode, operation: string): ToolError {
  return new ToolError(`not allowed: this ${operation} would leave ${withArticle(name)} that you may not have; nothing was changed`, {
    status: 403,
  });
}

/** Explains an error of Prisma that a handler of the app let through; `undefined` if a caller cannot act on it. */
export function explainDatabaseError(error: unknown): ExplainedError | undefined {
  const code = codeOf(error) ?? '';
  return busyCodes.has(code) ? busy : explained.get(code);
}

/** Texts by code. Prisma's own texts name columns and queries. */
const explained: ReadonlyMap<string, ExplainedError> = new Map([
  ['P2002', { message: 'Already exists: another row has the same unique value' }],
  ['P2003', { message: 'Refused: a related row does not exist, or other rows still refer to this one' }],
  ['P2014', { message: 'Refused: other rows still refer to this one' }],
  ['P2025', { message: 'Not found: no such row', isNotFound: true }],
  ['P2034', { message: 'The database was busy with a conflicting change; try again' }],
]);

/** Prisma gave up waiting for a connection, for a transaction to start or end, or for a lock. */
const busy: ExplainedError = { message: 'The database is too busy to answer; try again later', isReported: true };
const busyCodes: ReadonlySet<string> = new Set(['P1008', 'P2024', 'P2028']);

/** Converts a Prisma error to one that a model can act on. Any other error stays as it is. */
function toToolError(error: unknown, exposure: Exposure, operation: string): unknown {
  const { name } = exposure.node;
  switch (codeOf(error)) {
    case 'P2025':
      return notFound(exposure, error);
    case 'P2002': {
      const fields = visibleOf(uniqueFields(error, exposure.node), exposure);
      const which = fields.length === 0 ? '' : ` with the same ${list(fields)}`;
      return new ToolError(`already exists: there is another ${name}${which}`, { status: 409, cause: error });
    }
    case 'P2003':
    case 'P2014': {
      if (operation.startsWith('delete')) {
        const which = operation === 'delete' ? `this ${name}` : `one of these ${name} rows`;
        return new ToolError(`still referenced: other rows belong to ${which}`, { status: 409, cause: error });
      }
      const fields = visibleOf(foreignKeyFields(error, exposure.node), exposure);
      const which = fields.length === 0 ? 'data' : `data.${list(fields)}`;
      return new ToolError(`${which}: the related row does not exist`, { cause: error });
    }
    case 'P2000':
      return new ToolError(`data: a value is too long for its column${whichColumns(error, exposure)}`, { cause: error });
    case 'P2011':
      return new ToolError('data: a required value is missing', { cause: error });
    case 'P2004':
      return new ToolError('data: a constraint of the database refuses these values', { cause: error });
    case 'P2006':
    case 'P2007':
    case 'P2019':
    case 'P2023':
    case 'P2033':
      return new ToolError(`a value does not fit the type of its column${whichColumns(error, exposure)}`, { cause: error });
    case 'P2020':
      if (aggregations.has(operation)) return outOfNumbers(error);
      return new ToolError(
        isWrite(operation)
          ? 'data: a value, or the result of increment, decrement, multiply or divide, is out of the range of its column; nothing was changed'
          : 'where: a value is out of the range of its column',
        { cause: error },
      );
    case 'P2029':
      return new ToolError('where: too many values altogether; give fewer, in several calls', { cause: error });
    case 'P2039':
      return aggregations.has(operation) && isOverflow(error) ? outOfNumbers(error) : toDatabaseError(error, exposure);
    default:
      if (error instanceof RangeError && aggregations.has(operation)) return outOfNumbers(error);
      // Drivers throw it for a value that they cannot carry, for instance an integer beyond the range of a double.
      return error instanceof RangeError && isWrite(operation)
        ? new ToolError('data: a value is out of the range that this database can return; nothing was changed', { cause: error })
        : error;
  }
}

const aggregations: ReadonlySet<string> = new Set(['aggregate', 'groupBy']);

/** For a figure that the database cannot compute, or that its driver cannot carry. */
function outOfNumbers(cause: unknown): ToolError {
  return new ToolError('a sum, average or extreme is out of the range of numbers that this database can return; narrow where', { cause });
}

/** SQLite has no code for a sum that does not fit into 64 bits. */
function isOverflow(error: unknown): boolean {
  const { originalCode, originalMessage } = causeOf(error);
  return originalCode === '22003' || /integer overflow/.test(String(originalMessage));
}

/** Decides by the class of the SQLSTATE. Prisma has no codes for some errors, such as those of exclusion constraints and triggers. */
function toDatabaseError(error: unknown, exposure: Exposure): unknown {
  const { originalCode } = causeOf(error);
  const state = typeof originalCode === 'string' ? originalCode : '';
  // 42883 and 42804: the type does not have the operator.
  if (state.startsWith('22') || state === '42883' || state === '42804') {
    return new ToolError(`a value does not fit the type of its column${whichColumns(error, exposure)}`, { cause: error });
  }
  if (state.startsWith('54')) return new ToolError('a value is too large for the database', { cause: error });
  if (state.startsWith('23') || state === 'P0001') {
    return new ToolError('data: a constraint of the database refuses these values', { status: 409, cause: error });
  }
  return state === '57014' ? new ToolError('the query took too long; ask for less', { cause: error }) : error;
}

/**
 * The visible columns of the native type that PostgreSQL's message names, as ` (address takes Inet)`. Empty if it names none.
 *
 * `invalid input syntax for type inet: "x"`, `value too long for type character varying(4)`, `invalid XML content`
 */
function whichColumns(error: unknown, exposure: Exposure): string {
  const { originalMessage } = causeOf(error);
  const message = typeof originalMessage === 'string' ? originalMessage : '';
  const [, type] = /(?:for type |operator does not exist: )([a-z ]+)/.exec(message) ?? [];
  const sql = /^invalid XML/.test(message) ? 'xml' : type?.trim();
  const columns = [...exposure.columns.values()].filter(({ field }) => sql !== undefined && sqlType(field.nativeType) === sql);
  if (columns.length === 0) return '';
  return ` (${list(columns.map(({ name, field }) => `${name} takes ${field.nativeType ?? field.type}`))})`;
}

/** PostgreSQL's name of a native type. */
function sqlType(nativeType = ''): string {
  const name = nativeType.replace(/\(.*/, '').toLowerCase();
  return { varchar: 'character varying', char: 'character', varbit: 'bit varying' }[name] ?? name;
}

function isWrite(operation: string): boolean {
  return /^(create|update|upsert)/.test(operation);
}

/** The columns of a violated unique constraint. Engines put them into `meta.target`, driver adapters into the adapter's own error. */
function uniqueFields(error: unknown, node: ModelNode): readonly string[] {
  const target = metaOf(error)['target'];
  if (Array.isArray(target)) return target.map(String);
  const { fields, index } = constraintOf(error);
  if (Array.isArray(fields)) return fields.map(field => String(field).replaceAll(/^["`[]|["`\]]$/g, ''));
  const named = typeof index === 'string' ? index : typeof target === 'string' ? target : undefined;
  if (named === undefined) return [];
  if (named.endsWith('_pkey') || named === 'PRIMARY') return node.model.primaryKey;
  return longest(node.model.uniques.map(unique => unique.fields).filter(names => named.endsWith(`_${names.join('_')}_key`)));
}

function foreignKeyFields(error: unknown, node: ModelNode): readonly string[] {
  const { index } = constraintOf(error);
  const { field_name: fieldName } = metaOf(error);
  const named = typeof index === 'string' ? index : typeof fieldName === 'string' ? fieldName : '';
  const keys = [...node.relations.values()].map(relation => relation.from);
  return longest(keys.filter(names => names.length > 0 && named.includes(`_${names.join('_')}_fkey`)));
}

function visibleOf(names: readonly string[], exposure: Exposure): string[] {
  return names.filter(name => exposure.columns.has(name));
}

function longest(candidates: (readonly string[])[]): readonly string[] {
  return candidates.reduce<readonly string[]>((best, names) => (names.length > best.length ? names : best), []);
}

function constraintOf(error: unknown): Record<string, unknown> {
  const { constraint } = causeOf(error);
  return isPlainObject(constraint) ? constraint : {};
}

/** The driver's own error. */
function causeOf(error: unknown): Record<string, unknown> {
  const adapterError = metaOf(error)['driverAdapterError'];
  const cause = typeof adapterError === 'object' && adapterError !== null && 'cause' in adapterError ? adapterError.cause : undefined;
  return isPlainObject(cause) ? cause : {};
}

function metaOf(error: unknown): Record<string, unknown> {
  const { meta } = error as { meta?: unknown };
  return isPlainObject(meta) ? meta : {};
}
