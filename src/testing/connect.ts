import type Koa from 'koa';
import { connect as connectTo } from '../client/connect.ts';
import { connectHttpSse } from '../client/http-sse.ts';
import { listAll } from '../client/lists.ts';
import type {
  RequestOptions as ClientOptions,
  Connection,
  Listener,
  Progress,
  Prompt,
  Resource,
  ResourceTemplate,
  RevisionId,
  Server,
  Tool,
} from '../client/wire.ts';
import { httpSseRevision, revisions } from '../client/wire.ts';
import type { CallToolResult, GetPromptResult, JsonObject, ReadResourceResult } from '../protocol/definitions.ts';
import { inProcess } from './in-process-fetch.ts';

/** What a server asks its client: `elicitation/create`, `sampling/createMessage` or `roots/list`. */
type Answer = (params: JsonObject) => JsonObject | Promise<JsonObject>;

/** The options of `connect`. */
export interface ConnectOptions {
  /** Path of the endpoint as clients see it, with the prefix of a mount. @default '/mcp' */
  readonly path?: string;
  /** The revision to speak. 2024-11-05 is spoken with `<path>/sse`. @default the newest */
  readonly revision?: RevisionId | typeof httpSseRevision;
  /** Headers of every request, such as `{ authorization: 'Bearer …' }`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Who calls: is in `ctx.state.user` before the app's first middleware runs. */
  readonly user?: unknown;
  /** Other members of `ctx.state`. */
  readonly state?: Readonly<Record<string, unknown>>;
  /** Answers forms, such as `() => ({ action: 'accept', content: { name: 'Ada' } })`. Without it the client has no elicitation. */
  readonly onElicit?: Answer;
  /** Answers `sampling/createMessage`. Without it the client has no sampling. */
  readonly onSample?: Answer;
  /** Gives the client's roots. Without it the client has none. */
  readonly onRoots?: () => readonly { readonly uri: string; readonly name?: string }[];
  /** What the server is told of the client. @default { name: 'koa-mcp/testing', version: '1' } */
  readonly clientInfo?: { readonly name: string; readonly version: string };
}

/** The options of one request. */
export interface RequestOptions {
  /** Cancels the request. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** A notification of the server. */
export interface Notification {
  readonly method: string;
  readonly params: JsonObject;
}

/** A client of an endpoint in the same process. Every method rejects with `RequestError`, which has the server's `code`, `message` and `data`. */
export interface TestClient extends AsyncDisposable {
  /** What the server says of itself. */
  readonly server: Server;
  /** The notifications up to now, but for those of progress. */
  readonly notifications: readonly Notification[];
  /** Resolves with the first notification that fits, also if it has come already. */
  notification(method: string, fits?: (params: JsonObject) => boolean): Promise<Notification>;
  /** All pages. */
  listTools(): Promise<Tool[]>;
  callTool(name: string, args?: JsonObject, options?: RequestOptions): Promise<CallToolResult>;
  /** All pages. */
  listResources(): Promise<Resource[]>;
  /** All pages. */
  listResourceTemplates(): Promise<ResourceTemplate[]>;
  readResource(uri: string, options?: RequestOptions): Promise<ReadResourceResult>;
  /** Resolves once changes of the resource are told. */
  subscribe(uri: string): Promise<void>;
  unsubscribe(uri: string): Promise<void>;
  /** All pages. */
  listPrompts(): Promise<Prompt[]>;
  getPrompt(name: string, args?: Readonly<Record<string, string>>, options?: RequestOptions): Promise<GetPromptResult>;
  /** The values that the server offers for an argument. */
  complete(
    ref: { readonly prompt: string } | { readonly uriTemplate: string },
    argument: { readonly name: string; readonly value: string },
  ): Promise<string[]>;
  /** Sends any request, and resolves with its result. */
  request(method: string, params?: JsonObject, options?: RequestOptions): Promise<JsonObject>;
  /** Ends the session, if there is one, and all connections. */
  close(): Promise<void>;
}

/**
 * Connects a client to an app's endpoint, in this process and without a port. The app's own middleware runs as over the network.
 *
 * ```ts
 * await using client = await connect(app, { user: { id: 1 } });
 * const { structuredContent } = await client.callTool('booking_findMany', { take: 10 });
 * ```
 *
 * @throws {RequestError} The app refuses the client, or nothing answers at `path`.
 */
export async function connect(app: Koa, options: ConnectOptions = {}): Promise<TestClient> {
  const { path = '/mcp', revision = revisions[0], headers = {}, clientInfo = { name: 'koa-mcp/testing', version: '1' } } = options;
  const { fetch, disconnect } = inProcess(app, { ...options.state, ...('user' in options && { user: options.user }) });
  const received = new Received();
  const endpoint = { url: `http://localhost${path}`, fetch, headers, clientInfo, capabilities: capabilitiesOf(options) };
  const listener: Listener = {
    answer: ({ method, params }) => answer(options, method, params),
    notified: (method, params) => received.add({ method, params }),
    streamChanged: () => undefined,
    lost: () => undefined,
  };
  try {
    const connection =
      revision === httpSseRevision
        ? await connectHttpSse({ ...endpoint, url: `${endpoint.url}/sse` }, listener)
        : await connectTo(endpoint, revision, listener);
    return clientOf(connection, received, disconnect);
  } catch (error) {
    disconnect();
    throw error;
  }
}

function capabilitiesOf({ onElicit, onSample, onRoots }: ConnectOptions): JsonObject {
  return {
    ...(onElicit && { elicitation: { form: {}, url: {} } }),
    ...(onSample && { sampling: {} }),
    ...(onRoots && { roots: {} }),
  };
}

async function answer({ onElicit, onSample, onRoots }: ConnectOptions, method: string, params: JsonObject): Promise<JsonObject> {
  if (method === 'elicitation/create' && onElicit) return onElicit(params);
  if (method === 'sampling/createMessage' && onSample) return onSample(params);
  if (method === 'roots/list' && onRoots) return { roots: [...onRoots()] };
  throw new Error(`The client has no ${method}`);
}

/** The notifications of one client. */
class Received {
  readonly all: Notification[] = [];
  readonly #waiting = new Set<() => void>();

  add(notification: Notification): void {
    if (notification.method === 'notifications/progress') return;
    this.all.push(notification);
    for (const look of [...this.#waiting]) look();
  }

  first(method: string, fits: (params: JsonObject) => boolean = () => true): Promise<Notification> {
    return new Promise(resolve => {
      const look = () => {
        const found = this.all.find(each => each.method === method && fits(each.params));
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

function clientOf(connection: Connection, received: Received, disconnect: () => void): TestClient {
  const request = async <T = JsonObject>(method: string, params?: JsonObject, options?: ClientOptions): Promise<T> =>
    (await connection.request(method, params, options)) as T;
  const list = async <T>(method: string, member: string): Promise<T[]> => (await listAll({ request }, method, member)) as T[];
  let tools: Map<string, Tool> | undefined;
  const listTools = async () => {
    const all = await list<Tool>('tools/list', 'tools');
    tools = new Map(all.map(tool => [tool.name, tool]));
    return all;
  };
  const close = async () => {
    await connection.close();
    disconnect();
  };
  return {
    server: connection.server,
    notifications: received.all,
    notification: (method, fits) => received.first(method, fits),
    listTools,
    callTool: async (name, args, options) => {
      // Some arguments are repeated in headers, as the schema says.
      if (tools === undefined) await listTools();
      const inputSchema = tools?.get(name)?.inputSchema;
      return request<CallToolResult>('tools/call', { name, arguments: args ?? {} }, { ...options, inputSchema });
    },
    listResources: () => list('resources/list', 'resources'),
    listResourceTemplates: () => list('resources/templates/list', 'resourceTemplates'),
    readResource: (uri, options) => request<ReadResourceResult>('resources/read', { uri }, options),
    subscribe: uri => connection.subscribe(uri),
    unsubscribe: uri => connection.unsubscribe(uri),
    listPrompts: () => list('prompts/list', 'prompts'),
    getPrompt: (name, args, options) => request<GetPromptResult>('prompts/get', { name, arguments: args ?? {} }, options),
    complete: async (ref, argument) => {
      const named = 'prompt' in ref ? { type: 'ref/prompt', name: ref.prompt } : { type: 'ref/resource', uri: ref.uriTemplate };
      const { completion } = await request<{ completion: { values: string[] } }>('completion/complete', { ref: named, argument });
      return completion.values;
    },
    request,
    close,
    [Symbol.asyncDispose]: close,
  };
}

export type { Progress, Prompt, Resource, ResourceTemplate, RevisionId, Server, Tool } from '../client/wire.ts';
export { RequestError } from '../client/wire.ts';
