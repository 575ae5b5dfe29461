import {
  CallToolResultSchema,
  CompleteResultSchema,
  EmptyResultSchema,
  GetPromptResultSchema,
  InitializeResultSchema,
  JSONRPCErrorResponseSchema,
  JSONRPCNotificationSchema,
  JSONRPCRequestSchema,
  JSONRPCResultResponseSchema,
  ListPromptsResultSchema,
  ListResourcesResultSchema,
  ListResourceTemplatesResultSchema,
  ListToolsResultSchema,
  ReadResourceResultSchema,
  ServerNotificationSchema,
  ServerRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';

const results = {
  initialize: InitializeResultSchema,
  ping: EmptyResultSchema,
  'tools/list': ListToolsResultSchema,
  'tools/call': CallToolResultSchema,
  'resources/list': ListResourcesResultSchema,
  'resources/templates/list': ListResourceTemplatesResultSchema,
  'resources/read': ReadResourceResultSchema,
  'resources/subscribe': EmptyResultSchema,
  'resources/unsubscribe': EmptyResultSchema,
  'prompts/list': ListPromptsResultSchema,
  'prompts/get': GetPromptResultSchema,
  'completion/complete': CompleteResultSchema,
  'logging/setLevel': EmptyResultSchema,
} as const;

/** A JSON-RPC message as it came off the wire. */
export interface WireMessage {
  jsonrpc: '2.0';
  id?: string | number;
  method?: string;
  params?: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: results are looked into freely by tests, after the schema has passed them
  result?: any;
  error?: { code: number; message: string; data?: unknown };
}

/**
 * Holds a message of the server to the official schemas.
 *
 * @param method The method that it answers, if it is a response.
 * @throws {Error} With the schema's complaint.
 */
export function assertValid(message: unknown, method?: string): asserts message is WireMessage {
  const { id, result, error, method: sent } = message as WireMessage;
  if (sent !== undefined && id !== undefined) {
    JSONRPCRequestSchema.parse(message);
    ServerRequestSchema.parse(message);
  } else if (sent !== undefined) {
    JSONRPCNotificationSchema.parse(message);
    ServerNotificationSchema.parse(message);
  } else if (error !== undefined) {
    JSONRPCErrorResponseSchema.parse(message);
  } else {
    JSONRPCResultResponseSchema.parse(message);
    const schema = method !== undefined && Object.hasOwn(results, method) ? results[method as keyof typeof results] : undefined;
    if (schema === undefined) throw new Error(`no schema for the result of ${String(method)}`);
    schema.parse(result);
  }
}
