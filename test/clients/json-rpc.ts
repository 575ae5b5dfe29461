import type { WireMessage } from '../support/schemas.ts';
import { assertValid } from '../support/schemas.ts';
import type { CallOptions, TestClient } from './client.ts';
import { answers, clientCapabilities, only, toToolResult } from './client.ts';

interface Pending {
  readonly method: string;
  readonly onProgress: CallOptions['onProgress'];
  readonly resolve: (result: Record<string, unknown>) => void;
  readonly reject: (error: Error) => void;
}

/** The client's half of JSON-RPC, by hand: whoever has a transport gives it `send`, and every message that arrives. */
export class JsonRpc {
  readonly #send: (message: WireMessage) => Promise<void>;
  readonly #revision: string;
  readonly #pending = new Map<unknown, Pending>();
  #nextId = 0;

  constructor(revision: string, send: (message: WireMessage) => Promise<void>) {
    this.#revision = revision;
    this.#send = send;
  }

  async initialize(): Promise<void> {
    const params = { protocolVersion: this.#revision, capabilities: clientCapabilities, clientInfo: { name: 'by-hand', version: '1.0.0' } };
    const { protocolVersion } = await this.request('initialize', params);
    if (protocolVersion !== this.#revision) throw new Error(`answered ${String(protocolVersion)}`);
    await this.#send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  }

  async request(method: string, params: Record<string, unknown> = {}, { onProgress, signal }: CallOptions = {}) {
    const id = this.#nextId++;
    const message = { jsonrpc: '2.0', id, method, params: onProgress ? { ...params, _meta: { progressToken: id } } : params } as const;
    return new Promise<Record<string, unknown>>((resolve, reject) => {
      this.#pending.set(id, { method, onProgress, resolve, reject });
      signal?.addEventListener('abort', () => {
        this.#pending.delete(id);
        this.#send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } }).then(
          () => reject(new Error('cancelled')),
          reject,
        );
      });
      this.#send(message).catch(reject);
    });
  }

  /** Takes a message of the server, held to the schema of its revision. */
  async take(message: unknown): Promise<void> {
    const { id, method, params, result, error } = message as WireMessage;
    const pending = method === undefined ? this.#pending.get(id) : undefined;
    assertValid(message, pending?.method, this.#revision);
    if (pending !== undefined) {
      this.#pending.delete(id);
      if (error === undefined) pending.resolve(result);
      else pending.reject(new Error(`${error.code} ${error.message}`));
    } else if (method === 'notifications/progress') {
      const { progressToken, progress, total } = params as { progressToken: number; progress: number; total?: number };
      this.#pending.get(progressToken)?.onProgress?.(progress, total);
    } else if (method !== undefined && id !== undefined) {
      await this.#send({ jsonrpc: '2.0', id, result: answers[method as keyof typeof answers](params ?? {}) });
    }
  }
}

/** What the tests do with a client, in JSON-RPC. */
export function testClient(rpc: JsonRpc, sessionId: () => string | undefined, close: () => Promise<void>): TestClient {
  const list = async (method: string, member: string, key: string) => {
    const result = await rpc.request(method);
    return (result[member] as Record<string, string>[]).map(item => item[key] ?? '');
  };
  return {
    sessionId,
    listTools: () => list('tools/list', 'tools', 'name'),
    callTool: async (name, args = {}, options = {}) => toToolResult(await rpc.request('tools/call', { name, arguments: args }, options)),
    listResources: () => list('resources/list', 'resources', 'uri'),
    listTemplates: () => list('resources/templates/list', 'resourceTemplates', 'uriTemplate'),
    readResource: async uri => only((await rpc.request('resources/read', { uri }))['contents'] as { text: string }[]).text,
    listPrompts: () => list('prompts/list', 'prompts', 'name'),
    getPrompt: async (name, args) =>
      ((await rpc.request('prompts/get', { name, arguments: args }))['messages'] as [{ content: { text: string } }])[0].content.text,
    [Symbol.asyncDispose]: close,
  };
}
