import { ToolError } from '../../errors.ts';
import type { CallContext, JsonObject } from '../../protocol/definitions.ts';
import { jsonDigest } from '../../protocol/definitions.ts';
import type { JsonSchema } from '../../protocol/json-schema.ts';
import type { Exposure } from '../datamodel/graph.ts';
import type { BaseClient, Delegate, Delegates } from '../declaration/delegates.ts';
import { asClient, call, ownDelegate, sweepExpired } from '../declaration/delegates.ts';
import type { Operation } from '../declaration/operations.ts';
import { refuse } from '../messages.ts';
import { attempt, isUniqueViolation } from './prisma-errors.ts';
import { transactionOptions } from './row-chunks.ts';
import type { Commit } from './writes.ts';

/** The argument with which a caller may repeat a write. */
export const keyArgument = 'idempotencyKey';
/** What a language model is told of a key. */
export const keyMeaning = 'new for each write, the same to repeat it';
/** Characters of a key. */
export const maxKeyChars = 255;

/** The delegate of `McpIdempotencyKey` in prisma/mcp.prisma. */
const delegateName = 'mcpIdempotencyKey';
const columnNames = ['id', 'principal', 'request', 'result', 'expiresAt'];
/** Rows that one query evicts. */
const maxEvicted = 500;
/** A key can expire, or be evicted, between the insert that met it and the read of its row. */
const maxTries = 3;

/** What `IdempotencyKeys` needs. */
export interface IdempotencyOptions {
  readonly client: BaseClient;
  /** Tells the endpoint from others that use the same database. @default '' */
  readonly endpoint?: string;
  /** Milliseconds that a key is good for. @default 86400000 (a day) */
  readonly idempotencyMs?: number;
  /** Bytes of a result that is kept. @default 65536 */
  readonly maxIdempotencyBytes?: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/** One operation of an exposure whose calls may have a key. */
export interface IdempotentOperation {
  readonly exposure: Exposure;
  readonly operation: Operation;
  readonly outputSchema: JsonSchema;
}

/** One call with its key. */
export interface KeyedWrite {
  /** Whether the write has been made, so that the call gives the kept result. @throws {ToolError} The key belongs to other arguments. */
  readonly isDone: () => Promise<boolean>;
  /** Commits the write together with the row of its key. Gives the kept result if the write has been made. */
  readonly commit: Commit;
}

/** What tells the row of a key from others. */
interface KeyRow {
  readonly id: string;
  readonly principal: string | null;
  readonly request: string;
  /** Digest of the output schema: a kept result is not given with columns that have been hidden since. */
  readonly schema: string;
}

/** The row of the key exists already. */
class KeyTaken extends Error {}

/**
 * The idempotency keys of one endpoint. A write with a key happens once, in whichever process it is repeated.
 *
 * The transaction first inserts the row of the key, then makes the write, then puts the result into the row. If two calls have the same key, the
 * insert of the second one waits for the first transaction. A write that fails leaves no row, so its key may be used again.
 */
export class IdempotencyKeys {
  readonly #options: Required<IdempotencyOptions>;
  #added: ((principal: string | null) => void) | undefined;

  constructor(options: IdempotencyOptions) {
    this.#options = { endpoint: '', idempotencyMs: 86_400_000, maxIdempotencyBytes: 65_536, now: Date.now, ...options };
  }

  /** Makes the function that takes a call's key and its other arguments. */
  of({ exposure, operation, outputSchema }: IdempotentOperation): (key: unknown, args: JsonObject, ctx: CallContext) => KeyedWrite {
    const schema = jsonDigest(outputSchema);
    const options = transactionOptions(exposure, operation);
    return (key, args, ctx) => {
      const row: KeyRow = {
        id: jsonDigest([this.#options.endpoint, exposure.node.key, operation, ...callerOf(ctx), parseKey(key)]),
        principal: ctx.mcp.principal ?? null,
        request: jsonDigest(args),
        schema,
      };
      return {
        isDone: async () => (await this.#find(row)) !== undefined,
        commit: async <T extends object>(
          name: string,
          work: (client: BaseClient) => Promise<T>,
          mayRepeat?: (error: unknown) => boolean,
        ) => {
          const once = (): Promise<T> => this.#options.client.$transaction(tx => this.#write(tx, row, work), ...options);
          for (let tries = 1; ; tries += 1) {
            try {
              const result = await attempt(exposure, name, once, mayRepeat);
              this.#added?.(row.principal);
              return result;
            } catch (error) {
              if (!(error instanceof KeyTaken)) throw error;
            }
            const kept = await this.#find(row);
            if (kept !== undefined) return kept as T;
            if (tries === maxTries) throw conflict();
          }
        },
      };
    };
  }

  /** Calls `added` after each commit of a new key. */
  listen(added: (principal: string | null) => void): void {
    this.#added = added;
  }

  /** Removes at most `limit` keys that expired at or before `now`. Returns how many were removed. */
  async sweep(now: Date, limit: number): Promise<number> {
    return sweepExpired(keysOf(this.#options.client), now, limit);
  }

  /** Keeps the `keep` newest keys of a principal and removes the others. Returns how many are left. */
  async evict(principal: string | null, keep: number): Promise<number> {
    const keys = keysOf(this.#options.client);
    for (;;) {
      const surplus = await call(keys, 'findMany', {
        where: { principal },
        orderBy: [{ expiresAt: 'desc' }, { id: 'desc' }],
        skip: keep,
        take: maxEvicted,
        select: { id: true },
      });
      if (surplus.length > 0) await call(keys, 'deleteMany', { where: { id: { in: surplus.map(({ id }) => id) } } });
      if (surplus.length < maxEvicted) return call(keys, 'count', { where: { principal } });
    }
  }

  async #write<T extends object>(
    tx: Delegates,
    { id, principal, request, schema }: KeyRow,
    work: (client: BaseClient) => Promise<T>,
  ): Promise<T> {
    const { idempotencyMs, maxIdempotencyBytes } = this.#options;
    const data = { id, principal, request, expiresAt: new Date(this.#options.now() + idempotencyMs) };
    try {
      await call(keysOf(tx), 'create', { data, select: { id: true } });
    } catch (error) {
      throw isUniqueViolation(error) ? new KeyTaken('the idempotency key is being used', { cause: error }) : error;
    }
    const result = await work(asClient(tx));
    const text = JSON.stringify({ schema, result });
    if (Buffer.byteLength(text) <= maxIdempotencyBytes) await call(keysOf(tx), 'updateMany', { where: { id }, data: { result: text } });
    return result;
  }

  /** The kept result; `undefined` if the key is free. */
  async #find({ id, request, schema }: KeyRow): Promise<object | undefined> {
    const keys = keysOf(this.#options.client);
    const row = await call(keys, 'findUnique', { where: { id }, select: { request: true, result: true, expiresAt: true } });
    if (row === null) return undefined;
    if ((row['expiresAt'] as Date).getTime() <= this.#options.now()) {
      await call(keys, 'deleteMany', { where: { id, expiresAt: { lte: new Date(this.#options.now()) } } });
      return undefined;
    }
    if (row['request'] !== request) {
      throw new ToolError(`${keyArgument}: was used for a call with other arguments; nothing was changed; use a new one`, { status: 409 });
    }
    const { result } = row;
    if (typeof result !== 'string') throw done('its result was too long to keep (limits.maxIdempotencyBytes)');
    const kept = JSON.parse(result) as { schema: string; result: object };
    if (kept.schema !== schema) throw done('the columns of results have changed since');
    return kept.result;
  }
}

/** @throws {TypeError} if the client was generated without the rows of keys. */
export function assertKeyDelegate(client: Delegates, path: string): void {
  ownDelegate(client, { model: 'McpIdempotencyKey', columns: columnNames }, path);
}

/** Who a key belongs to. A guest is known by the session only, because all guests are one principal. */
function callerOf({ mcp }: CallContext): readonly (string | null)[] {
  if (mcp.principal !== undefined) return [mcp.principal, null];
  if (mcp.sessionId !== undefined) return [null, mcp.sessionId];
  return refuse(
    keyArgument,
    'only signed-in users can have one here, because this revision has no session to tell guests apart; leave it out',
  );
}

function parseKey(value: unknown): string {
  if (typeof value === 'string' && value !== '' && value.length <= maxKeyChars) return value;
  const found = typeof value === 'string' ? `${value.length} characters` : 'another value';
  return refuse(keyArgument, `expected a string of 1 to ${maxKeyChars} characters, got ${found}`);
}

function done(why: string): ToolError {
  return new ToolError(`${keyArgument}: this call has been made and its rows were written, but ${why}; read the rows`, { status: 409 });
}

function conflict(): ToolError {
  return new ToolError(`conflict: another call is using this ${keyArgument}; nothing was changed; try again`, { status: 409 });
}

function keysOf(client: Delegates): Delegate {
  return client[delegateName] as Delegate;
}
