export { type Bus, type BusOptions, memoryBus } from './bus/bus.ts';
export { type PollingBusOptions, pollingBus } from './bus/polling-bus.ts';
export { type PostgresBusOptions, postgresBus } from './bus/postgres-bus.ts';
export { type RedisBusOptions, redisBus } from './bus/redis-bus.ts';
export type { HandlerContext } from './context.ts';
export {
  McpError,
  type McpErrorOptions,
  type RequiredPage,
  StoreUnavailable,
  ToolError,
  UrlElicitationRequired,
} from './errors.ts';
export type { Complete } from './host/completion.ts';
export type { TemplateInstance, TemplateVariables } from './host/resources.ts';
export { type JwtVerifier, type JwtVerifierOptions, jwtVerifier, type VerifiedJwt } from './jwt-verifier.ts';
export { type McpMiddleware, type McpSessions, mcp } from './mcp.ts';
export type { WhereLimits } from './models/arguments/where.ts';
export { scopedClient } from './models/compile.ts';
export type { Datamodel } from './models/datamodel/datamodel.ts';
export { live } from './models/live/live-client.ts';
export type { HiddenColumn, ModelReport, RelationReport, ScopesReport } from './models/report.ts';
export type {
  AuditOptions,
  AuthOptions,
  Limits,
  McpOptions,
  Prompt,
  RateLimiter,
  Resource,
  SessionOptions,
  TelemetryOptions,
  Tool,
  VerifiedToken,
} from './options.ts';
export type {
  CacheHints,
  CallToolResult,
  ContentBlock,
  ElicitForm,
  ElicitResult,
  ElicitUrl,
  GetPromptResult,
  ListedResource,
  McpContext,
  ReadResourceResult,
  Root,
  SampleParams,
  SampleResult,
} from './protocol/definitions.ts';
export type { DefinitionReport, LimitReport, McpReport, ReportWarning, ToolReport } from './report.ts';
export type { SessionInfo, SessionPage, SessionQuery } from './session/session-list.ts';
export type { SessionEvent } from './session/session-log.ts';
export { memoryStore } from './store/memory-store.ts';
export { prismaStore } from './store/prisma-store.ts';
export { type SqliteAdapterFactory, type SqliteAdapterOptions, sqliteAdapter } from './store/sqlite-adapter.ts';
export type {
  Continuation,
  ContinuationStore,
  EndedSession,
  EventStore,
  FindQuery,
  ListedTask,
  ListQuery,
  NewEvent,
  NodeStore,
  Session,
  SessionPatch,
  SessionStore,
  SessionTransport,
  Store,
  StoredEvent,
  TailedEvent,
  TailQuery,
  Task,
  TaskListQuery,
  TaskPatch,
  TaskStatus,
  TaskStore,
} from './store/store.ts';
export type { McpTasks, TaskInfo } from './transport/deferred-tasks.ts';
