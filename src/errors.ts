/** A row of the error table: the code on the wire, the HTTP status where the transport has one to give, and who raises it. */
export interface ErrorRow {
  readonly code: number;
  /** HTTP status of the legacy transports; in-band errors of a readable request travel with 200. */
  readonly status: number;
  /** HTTP status in the stateless revision (2026-07-28), where it differs. */
  readonly modernStatus?: number;
  readonly message: string;
}

/** Name of a row of the error table. */
export type ErrorName =
  | 'ParseError'
  | 'InvalidRequest'
  | 'MethodNotFound'
  | 'InvalidParams'
  | 'InternalError'
  | 'ResourceNotFound'
  | 'UrlElicitationRequired'
  | 'HeaderMismatch'
  | 'MissingRequiredClientCapability'
  | 'UnsupportedProtocolVersion';

/**
 * Every JSON-RPC error this package sends, by name.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic#responses
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic#error-codes
 */
export const errorTable: Readonly<Record<ErrorName, ErrorRow>> = {
  ParseError: { code: -32700, status: 400, message: 'Parse error' },
  InvalidRequest: { code: -32600, status: 400, message: 'Invalid request' },
  MethodNotFound: { code: -32601, status: 200, modernStatus: 404, message: 'Method not found' },
  InvalidParams: { code: -32602, status: 200, message: 'Invalid params' },
  InternalError: { code: -32603, status: 200, message: 'Internal error' },
  ResourceNotFound: { code: -32002, status: 200, message: 'Resource not found' },
  UrlElicitationRequired: { code: -32042, status: 200, message: 'This request requires more information' },
  HeaderMismatch: { code: -32020, status: 400, message: 'Header mismatch' },
  MissingRequiredClientCapability: { code: -32021, status: 400, message: 'Missing required client capability' },
  UnsupportedProtocolVersion: { code: -32022, status: 400, message: 'Unsupported protocol version' },
};

/** What an `McpError` may say besides its message. */
export interface McpErrorOptions {
  /** `error.data` on the wire. */
  data?: unknown;
  /** `error.code` on the wire, for an error of the app's own: an integer that is not from -32768 to -32000, which JSON-RPC reserves. @default the row's */
  code?: number;
  cause?: unknown;
  /** HTTP status, where the row's own does not fit. */
  status?: number;
}

/**
 * An error the client gets as a JSON-RPC error.
 *
 * `new McpError('InvalidParams', 'Unknown tool: x')` → `{ "error": { "code": -32602, "message": "Unknown tool: x" } }`
 */
export class McpError extends Error {
  override readonly name = 'McpError';
  readonly type: ErrorName;
  readonly code: number;
  readonly data: unknown;
  /** HTTP status asked for explicitly; `undefined` takes the row's. */
  readonly status: number | undefined;

  constructor(type: ErrorName, message?: string, options: McpErrorOptions = {}) {
    super(message ?? errorTable[type].message, options.cause === undefined ? undefined : { cause: options.cause });
    this.type = type;
    this.code = options.code === undefined ? errorTable[type].code : ownCode(options.code);
    this.data = options.data;
    this.status = options.status;
  }

  /** Recognises by name, so that an error of a second loaded copy of this package counts. */
  static isError(value: unknown): value is McpError {
    return value instanceof Error && value.name === 'McpError' && 'type' in value;
  }
}

/** @throws {TypeError} JSON-RPC 2.0, section 5.1, reserves the code. */
function ownCode(code: number): number {
  if (Number.isSafeInteger(code) && (code < -32_768 || code > -32_000)) return code;
  throw new TypeError(`McpError: the code ${code} must be an integer that is not from -32768 to -32000`);
}

/** A page that the user must visit before a request can be served. */
export interface RequiredPage {
  /** Tells the user why. */
  readonly message: string;
  /** As for `elicit({ mode: 'url' })`. */
  readonly url: string;
  /** From `ctx.mcp.newElicitationId()`, for `elicitationComplete`. @default a new one */
  readonly elicitationId?: string;
}

/**
 * A request cannot be served until the user has visited some pages. The client sends the request again afterwards.
 *
 * `throw new UrlElicitationRequired([{ message: 'Connect your calendar', url: 'https://example.com/connect' }])`
 *
 * Clients of 2025-11-25 get the error -32042 with `data.elicitations`; those of 2026-07-28 get `input_required` with a question for each page. Older
 * clients, and those without the capability `elicitation.url`, get the error that `elicit({ mode: 'url' })` throws.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation#url-elicitation-required-error
 */
export class UrlElicitationRequired extends McpError {
  /** @throws {TypeError} There are no pages. */
  constructor(pages: readonly RequiredPage[], message?: string) {
    super('UrlElicitationRequired', message, { data: { elicitations: pages } });
    if (pages.length === 0) throw new TypeError('UrlElicitationRequired: name at least one page');
  }
}

/** The caller's token does not have the scopes that a request needs. Where the answer has not begun, it becomes a 403 that names them. */
export class InsufficientScope extends McpError {
  readonly scopes: readonly string[];

  /** @param scopes All scopes that the request needs. */
  constructor(scopes: readonly string[]) {
    super('InvalidRequest', `Forbidden: this needs the scope ${scopes.join(' ')}`, { status: 403, data: { scopes } });
    this.scopes = scopes;
  }
}

/**
 * An error the model reads: it becomes a tool result with `isError: true` and this message.
 *
 * Any error with `expose: true` or a 4xx `status` is shown the same way (Koa's convention); this class is for code without `ctx.throw` at hand.
 */
export class ToolError extends Error {
  override readonly name = 'ToolError';
  readonly expose = true;
  readonly status: number;

  constructor(message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = options.status ?? 400;
  }
}

/** The text that clients get for an error that they must not see. `ref` finds the error in the app's log. */
export function internalErrorText(ref: string): string {
  return `Internal error (ref ${ref})`;
}

/** The store cannot answer now: the database is away, too busy, or hangs. Trying again later helps. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
  }

  /** Recognises by name, so that an error of a second loaded copy of this package counts. */
  static isError(value: unknown): value is StoreUnavailable {
    return value instanceof Error && value.name === 'StoreUnavailable';
  }
}
