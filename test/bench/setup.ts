/** Every server that is measured, by the name of its module in `contenders/` or `peers/`. */
export const contenderNames = ['http', 'koa', 'durable', 'koa-mcp', 'sdk-v2', 'sdk-v2-request', 'sdk-v1', 'fastmcp'] as const;
export type ContenderName = (typeof contenderNames)[number];

/** What a contender is told when it is started. */
export interface Setup {
  /** What it serves: 30 tools of which one is called, 500 tools, or a model of the database. */
  readonly app: 'tools' | 'list' | 'models';
  /** Opened by the contender itself. */
  readonly database?: Database;
  /** Where koa-mcp keeps its sessions. @default 'memory' */
  readonly sessions?: 'memory' | 'database';
  /** Whether calls notify before they answer, so that answers must be streams. @default false */
  readonly streams?: boolean;
  /** `sessions.cacheMs` of koa-mcp. @default its own */
  readonly cacheMs?: number;
  /** Whether processes wake each other over PostgreSQL. @default false */
  readonly bus?: boolean;
  /** A tool of koa-mcp that does in its process what a host does outside of requests; see `hostTools`. */
  readonly hostTool?: 'announce' | 'queries' | 'write';
  /** Whether koa-mcp sees the writes of the client: `live()`. @default false */
  readonly live?: boolean;
  /** How many models koa-mcp exposes, where its start-up is measured. */
  readonly models?: number;
  /** The folder of the build of koa-mcp. @default the package's `dist` */
  readonly build?: string;
}

/** A database that exists, with its tables. */
export interface Database {
  readonly provider: 'sqlite' | 'postgresql';
  readonly url: string;
}

/** A contender's module: starts to listen on loopback and gives the port. */
export type Serve = (setup: Setup) => Promise<number>;
