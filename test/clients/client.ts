/** What some clients can do and others cannot. */
export type Ability = 'progress' | 'cancel' | 'form' | 'page' | 'sample' | 'roots';

/** A tool's result, as far as the tests look at it. */
export interface ToolResult {
  readonly isError: boolean;
  /** The first text block. */
  readonly text: string;
  readonly structured: unknown;
}

export interface CallOptions {
  readonly onProgress?: (progress: number, total: number | undefined) => void;
  /** Cancels the call, in the client's own way. */
  readonly signal?: AbortSignal;
}

/** A connected client, whichever it is. */
export interface TestClient extends AsyncDisposable {
  /** The id of its session; `undefined` if it has none, or does not say. */
  sessionId(): string | undefined;
  /** Names of the tools. */
  listTools(): Promise<string[]>;
  callTool(name: string, args?: object, options?: CallOptions): Promise<ToolResult>;
  /** URIs of the resources. */
  listResources(): Promise<string[]>;
  listTemplates(): Promise<string[]>;
  /** The text of a resource's only content. */
  readResource(uri: string): Promise<string>;
  /** Names of the prompts. */
  listPrompts(): Promise<string[]>;
  /** The text of a prompt's first message. */
  getPrompt(name: string, args: Record<string, string>): Promise<string>;
}

export interface ConnectOptions {
  /** Demo token of the example. @default a guest */
  readonly token?: string;
}

/** A client with its transport and revision. */
export interface ClientKind {
  readonly name: string;
  readonly transport: 'streamable' | 'sse' | 'stateless';
  /** What it is expected to agree on with the server. */
  readonly revision: string;
  readonly can: ReadonlySet<Ability>;
  /** Why it cannot be run on this machine. */
  readonly problem?: string;
  connect(origin: string, options?: ConnectOptions): Promise<TestClient>;
}

export const allAbilities: readonly Ability[] = ['progress', 'cancel', 'form', 'page', 'sample', 'roots'];

export const clientCapabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };

/** What the answers depend on. */
interface Asked {
  readonly message?: string;
  readonly mode?: string | undefined;
}

/** What every client here answers when the server asks. A question that contains `decline` or `cancel` gets that. */
export const answers = {
  'elicitation/create': ({ message = '', mode }: Asked) => {
    const [refusal] = /decline|cancel/.exec(message) ?? [];
    if (refusal !== undefined) return { action: refusal };
    if (message.endsWith('for good?')) return { action: 'accept', content: { confirm: true } };
    return mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada', people: 3 } };
  },
  'sampling/createMessage': () => ({
    role: 'assistant',
    content: { type: 'text', text: 'five, seven, five' },
    model: 'test',
    stopReason: 'endTurn',
  }),
  'roots/list': () => ({ roots: [{ uri: 'file:///work', name: 'work' }] }),
} as const;

/** The headers that sign a client in. */
export function headersOf({ token }: ConnectOptions): Record<string, string> {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

/** Reads what the tests look at out of a `tools/call` result. */
export function toToolResult(result: Readonly<Record<string, unknown>>): ToolResult {
  const [first] = (result['content'] ?? []) as { text?: string }[];
  return { isError: result['isError'] === true, text: first?.text ?? '', structured: result['structuredContent'] };
}

/** The only item of a list. @throws {Error} if there is another number of them */
export function only<T>(items: readonly T[]): T {
  const [item] = items;
  if (items.length !== 1 || item === undefined) throw new Error(`${items.length} items instead of one: ${JSON.stringify(items)}`);
  return item;
}
