import { InsufficientScope } from '../../errors.ts';
import type { CallContext } from '../../protocol/definitions.ts';
import { hasScopes, isScopes, scopesInWords } from '../../protocol/definitions.ts';
import type { Exposure } from '../datamodel/graph.ts';
import type { Operation } from '../declaration/operations.ts';
import { isRead } from '../declaration/operations.ts';
import { isPlainObject, list } from '../messages.ts';
import { assertKeys } from './host-args.ts';

type OperationScopes = Exposure['scopes'];

/**
 * Checks the option `scopes` of a model.
 *
 * `{ read: ['bookings:read'], delete: ['admin'], write: [] }`, or one list for all operations
 *
 * @throws {TypeError} at an unknown key, a value that is no list of scopes, and an operation without an entry: `[]` says that it needs none.
 */
export function resolveScopes(declared: unknown, operations: ReadonlySet<Operation>, path: string): OperationScopes {
  if (declared === undefined) return new Map();
  const all = [...operations];
  if (!isPlainObject(declared)) {
    const scopes = parseScopes(declared, path);
    return withoutEmpty(all.map(operation => [operation, scopes]));
  }
  assertKeys(declared, ['read', 'write', ...all], path);
  return withoutEmpty(
    all.map(operation => {
      const group = isRead(operation) ? 'read' : 'write';
      const key = Object.hasOwn(declared, operation) ? operation : group;
      if (!Object.hasOwn(declared, key)) {
        throw new TypeError(`${path}: says nothing of ${operation}; add \`${group}\` or \`${operation}\`, with [] if it needs no scope`);
      }
      return [operation, parseScopes(declared[key], `${path}.${key}`)];
    }),
  );
}

function parseScopes(value: unknown, path: string): readonly string[] {
  if (isScopes(value)) return value;
  throw new TypeError(`${path}: expected ${scopesInWords}`);
}

function withoutEmpty(entries: readonly (readonly [Operation, readonly string[]])[]): OperationScopes {
  return new Map(entries.filter(([, scopes]) => scopes.length > 0));
}

/** The member `scopes` of a definition that each of these operations can serve. Empty if one of them needs no scope. */
export function scopesMember(uses: readonly (readonly [Exposure, Operation])[]): { readonly scopes?: readonly (readonly string[])[] } {
  const sets = uses.map(([{ scopes }, operation]) => scopes.get(operation));
  const needed = sets.filter(set => set !== undefined);
  if (needed.length === 0 || needed.length < sets.length) return {};
  return { scopes: [...new Map(needed.map(set => [list(set), set])).values()] };
}

/** Whether the caller has the scopes of an operation. */
export function mayRun(ctx: CallContext, { scopes }: Exposure, operation: Operation): boolean {
  const needed = scopes.get(operation);
  return needed === undefined || hasScopes(ctx.mcp.scopes, needed);
}

/** @throws {InsufficientScope} The caller does not have the scopes of an operation. */
export function assertMayRun(ctx: CallContext, exposure: Exposure, operation: Operation): void {
  if (!mayRun(ctx, exposure, operation)) throw new InsufficientScope(exposure.scopes.get(operation) ?? []);
}

/** The operations of a model that the caller has the scopes of. */
export function runnable(ctx: CallContext, exposure: Exposure): Operation[] {
  return [...exposure.operations].filter(operation => mayRun(ctx, exposure, operation));
}

/**
 * Whether everybody who may run some operation of `source` with a filter may also read `target`. A filter by a relation tells what the related rows
 * contain.
 */
export function letsRead(source: Exposure, target: Exposure): boolean {
  const needed = [...target.operations].filter(isRead).flatMap(operation => target.scopes.get(operation) ?? []);
  const filtering = [...source.operations].filter(operation => operation !== 'create' && operation !== 'createMany');
  return filtering.every(operation => hasScopes(source.scopes.get(operation), needed));
}
