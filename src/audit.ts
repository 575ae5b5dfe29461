import { randomUUID } from 'node:crypto';
import { McpError, ToolError } from './errors.ts';
import { masked } from './models/arguments/masked.ts';
import type { Args, Delegate, Delegates, Row } from './models/declaration/delegates.ts';
import { baseClient, call, ownDelegate, sweepExpired } from './models/declaration/delegates.ts';
import { isUniqueViolation, isWriteConflict } from './models/queries/prisma-errors.ts';
import type { AuditOptions } from './options.ts';
import type { Audit, AuditedEnd, AuditedRequest, OpenAuditEntry } from './protocol/call.ts';
import type { JsonObject, McpContext } from './protocol/definitions.ts';
import { confirmationArgument, isObject, storableJson } from './protocol/definitions.ts';
import { bounded } from './store/outage.ts';

const model = 'McpAuditEntry';
const delegateName = 'mcpAuditEntry';
const columns = [
  'id',
  'startedAt',
  'endpoint',
  'principal',
  'sessionId',
  'client',
  'revision',
  'method',
  'name',
  'arguments',
  'rows',
  'outcome',
  'error',
  'durationMs',
  'expiresAt',
];
/** The columns that operators see of a call. */
const shownColumns = ['startedAt', 'durationMs', 'principal', 'client', 'revision', 'method', 'name', 'rows', 'outcome', 'error'];
/** Characters of a text in a row. */
const maxTextChars = 1000;
/** Characters of the arguments in a row, as JSON. */
const maxArgumentsChars = 65_536;

/** What `AuditLog` needs. */
export interface AuditLogOptions extends AuditOptions {
  readonly prisma: object;
  /** The name and path of the endpoint. */
  readonly endpoint: string;
  /** Milliseconds that the database may take for a row outside of a transaction. */
  readonly storeMs: number;
  /** Hears of rows that could not be added; once per outage. */
  readonly onError: (error: unknown) => void;
}

/** The rows of calls, outside of a transaction. */
interface Rows {
  readonly add: (data: Args) => Promise<unknown>;
  readonly change: (where: Args, data: Args) => Promise<unknown>;
  readonly sweep: (now: Date, limit: number) => Promise<number>;
  readonly recent: (take: number) => Promise<Row[]>;
}

/**
 * The calls of one endpoint as rows of the host's database.
 *
 * A write of a model adds its row in its own transaction. Any other call adds it when it has ended. With `required`, a tool of the host's own that
 * may write adds it before it runs.
 */
export class AuditLog implements Audit {
  readonly #options: AuditLogOptions;
  readonly #rows: Rows;
  readonly #masked: ReadonlySet<string>;
  #isAway = false;

  /** @throws {TypeError} The client has no model `McpAuditEntry`, or lacks columns of it. */
  constructor(options: AuditLogOptions) {
    const entries = ownDelegate(baseClient(options.prisma), { model, columns }, 'audit');
    this.#options = options;
    this.#masked = new Set([confirmationArgument, ...(options.mask ?? [])].map(name => name.toLowerCase()));
    const rows: Rows = {
      add: data => call(entries, 'create', { data, select: { id: true } }),
      change: (where, data) => call(entries, 'updateMany', { where, data }),
      sweep: (now, limit) => sweepExpired(entries, now, limit),
      recent: take => {
        const select = Object.fromEntries(shownColumns.map(name => [name, true]));
        return call(entries, 'findMany', { where: { endpoint: options.endpoint }, orderBy: { startedAt: 'desc' }, take, select });
      },
    };
    this.#rows = bounded(rows, options.storeMs);
  }

  async begin(mcp: McpContext, request: AuditedRequest): Promise<OpenAuditEntry | undefined> {
    const { reads = false, required = false } = this.#options;
    const { isRead, recordsWrites = false } = request;
    if (isRead && !reads) return undefined;
    const entry = new Entry(this.#columnsOf(mcp, request), {
      rows: this.#rows,
      // A read that is not recorded gives nothing away.
      isWithheld: required && isRead,
      tried: work => this.#tried(work),
      report: error => this.#report(error),
    });
    // What the host's own tool writes is committed before the tool ends.
    if (required && !isRead && !recordsWrites) await entry.start();
    return entry;
  }

  /** Removes at most `limit` rows that expired at or before `now`. Returns how many were removed. */
  sweep(now: Date, limit: number): Promise<number> {
    return this.#rows.sweep(now, limit);
  }

  /** The calls that began last in any process, newest first, without their arguments: those may hold what operators must not read. */
  recent(take: number): Promise<Row[]> {
    return this.#rows.recent(take);
  }

  #columnsOf(mcp: McpContext, { method, name, arguments: argumentsOf }: AuditedRequest): Args {
    const { endpoint, keepMs } = this.#options;
    const { info } = mcp.client;
    const startedAt = Date.now();
    return {
      id: randomUUID(),
      startedAt: new Date(startedAt),
      endpoint,
      principal: mcp.principal ?? null,
      sessionId: mcp.sessionId ?? null,
      client: info === undefined ? null : textOf(`${info.name} ${info.version}`),
      revision: mcp.revision,
      method,
      name: textOf(name),
      arguments: argumentsAsJson(this.#mask(argumentsOf()) as JsonObject),
      expiresAt: keepMs === undefined ? null : new Date(startedAt + keepMs),
    };
  }

  #mask(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(item => this.#mask(item));
    if (!isObject(value)) return value;
    const members = Object.entries(value);
    return Object.fromEntries(members.map(([name, member]) => [name, this.#masked.has(name.toLowerCase()) ? masked : this.#mask(member)]));
  }

  /** Whether a row could be written. */
  async #tried(work: Promise<unknown>): Promise<boolean> {
    try {
      await work;
      this.#isAway = false;
      return true;
    } catch (error) {
      this.#report(error);
      return false;
    }
  }

  #report(error: unknown): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.#options.onError(new Error('audit: calls cannot be recorded', { cause: error }));
  }
}

interface EntryOptions {
  readonly rows: Rows;
  /** Whether the result of the call is withheld if its row cannot be added. */
  readonly isWithheld: boolean;
  /** Reports an error. Returns whether there was none. */
  readonly tried: (work: Promise<unknown>) => Promise<boolean>;
  readonly report: (error: unknown) => void;
}

/** The row of one call. */
class Entry implements OpenAuditEntry {
  rows: number | undefined = undefined;
  readonly #columns: Args;
  readonly #options: EntryOptions;
  readonly #startedAt = performance.now();
  #isStarted = false;
  #isInTransaction = false;
  #hasEnded = false;

  constructor(columns: Args, options: EntryOptions) {
    this.#columns = columns;
    this.#options = options;
  }

  /** Adds the row of a call that is about to run. @throws {McpError} 503 The row cannot be added. */
  async start(): Promise<void> {
    const { rows, tried } = this.#options;
    this.#isStarted = await tried(rows.add({ ...this.#columns, outcome: 'started' }));
    if (!this.#isStarted) throw unrecorded('nothing was done');
  }

  async commitIn(tx: object): Promise<void> {
    const entries = (tx as Delegates)[delegateName] as Delegate;
    const data = this.#data({ outcome: 'ok' });
    this.#isInTransaction = true;
    try {
      // A call that was cancelled or took too long has its row already, and yet its write may be committed.
      if (this.#hasEnded) await call(entries, 'upsert', { where: { id: data['id'] }, create: data, update: data, select: { id: true } });
      else await call(entries, 'create', { data, select: { id: true } });
    } catch (error) {
      // The whole write is repeated.
      if (isWriteConflict(error)) throw error;
      this.#options.report(error);
      throw new ToolError('This call cannot be recorded, so nothing was changed; try again later', { status: 503, cause: error });
    }
  }

  async finish(end: AuditedEnd): Promise<void> {
    const { tried, isWithheld } = this.#options;
    this.#hasEnded = true;
    const isCommitted = this.#isInTransaction && end.outcome === 'ok';
    const isRecorded = await tried(isCommitted ? Promise.resolve() : this.#write(this.#data(end)));
    if (!isRecorded && isWithheld && end.outcome === 'ok') throw unrecorded('so its result is withheld');
  }

  async #write(data: Args): Promise<void> {
    const { rows } = this.#options;
    if (this.#isStarted) await rows.change({ id: data['id'] }, data);
    // A write whose call was cancelled may have been committed, with its row.
    else await rows.add(data).catch(unlessUnique);
  }

  #data({ outcome, error }: AuditedEnd): Args {
    return {
      ...this.#columns,
      rows: this.rows ?? null,
      outcome,
      error: error === undefined ? null : textOf(error),
      durationMs: Math.round(performance.now() - this.#startedAt),
    };
  }
}

function unlessUnique(error: unknown): void {
  if (!isUniqueViolation(error)) throw error;
}

function unrecorded(what: string): McpError {
  return new McpError('InternalError', `This call cannot be recorded, ${what}; try again later`, { status: 503 });
}

/** A text that every database stores, cut to the length of a column. */
function textOf(text: string): string {
  return (JSON.parse(storableJson(JSON.stringify(text))) as string).slice(0, maxTextChars);
}

/** Arguments that every database stores; of long ones only the beginning. */
function argumentsAsJson(value: JsonObject): JsonObject {
  const text = storableJson(JSON.stringify(value));
  if (text.length > maxArgumentsChars) return { characters: text.length, beginning: textOf(text) };
  return JSON.parse(text) as JsonObject;
}
