import { McpError } from '../errors.ts';
import type { JsonObject } from './definitions.ts';
import { isObject } from './definitions.ts';
import type { RequestId } from './jsonrpc.ts';
import { notificationText, resultText } from './jsonrpc.ts';
import type { Registry } from './registry.ts';

/** The lists that may change. */
export const listNames = ['tools', 'resources', 'prompts'] as const;
/** A list that may change. */
export type ListName = (typeof listNames)[number];

/** The notifications that a stateless client subscribes to: `params.notifications` of `subscriptions/listen`. */
export interface SubscriptionFilter {
  toolsListChanged?: boolean;
  promptsListChanged?: boolean;
  resourcesListChanged?: boolean;
  resourceSubscriptions?: string[];
  taskIds?: string[];
}

const flags: Readonly<Record<ListName, 'toolsListChanged' | 'promptsListChanged' | 'resourcesListChanged'>> = {
  tools: 'toolsListChanged',
  prompts: 'promptsListChanged',
  resources: 'resourcesListChanged',
};

/**
 * Reads the filter of `subscriptions/listen` and drops what this server does not offer. It does not check which URIs the caller may read.
 *
 * @param limits.maxSubscriptions Most URIs of resources, and most ids of tasks.
 * @throws {McpError} -32602, naming the member.
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions
 */
export function parseFilter(
  registry: Registry,
  params: JsonObject | undefined,
  { maxSubscriptions }: { maxSubscriptions: number },
): SubscriptionFilter {
  const asked = params?.['notifications'];
  if (!isObject(asked)) throw new McpError('InvalidParams', 'Invalid params: `notifications` must be an object');
  const filter: SubscriptionFilter = {};
  for (const [list, flag] of Object.entries(flags)) {
    if (asked[flag] !== undefined && typeof asked[flag] !== 'boolean')
      throw new McpError('InvalidParams', `Invalid params: \`notifications.${flag}\` must be a boolean`);
    if (asked[flag] === true && !registry.notOffered.has(`${list}/list`)) filter[flag] = true;
  }
  const uris = parseTexts(asked, 'resourceSubscriptions', { what: 'URIs', maxSubscriptions });
  if (uris !== undefined && uris.length > 0 && !registry.notOffered.has('resources/read')) filter.resourceSubscriptions = uris;
  const taskIds = registry.notOffered.has('tasks/get') ? undefined : parseTexts(asked, 'taskIds', { what: 'ids', maxSubscriptions });
  if (taskIds !== undefined) filter.taskIds = taskIds;
  return filter;
}

function parseTexts(
  asked: JsonObject,
  member: string,
  { what, maxSubscriptions }: { what: string; maxSubscriptions: number },
): string[] | undefined {
  const texts = asked[member];
  if (texts === undefined) return undefined;
  if (Array.isArray(texts) && texts.length <= maxSubscriptions && texts.every(text => typeof text === 'string')) return texts;
  throw new McpError(
    'InvalidParams',
    `Invalid params: \`notifications.${member}\` must be an array of at most ${maxSubscriptions} ${what} (limits.maxSubscriptions)`,
  );
}

/** Whether a filter includes changes of a list. */
export function wantsList(filter: SubscriptionFilter, list: ListName): boolean {
  return filter[flags[list]] === true;
}

/** A notification of a subscription, with the subscription's id in `_meta`. */
export function subscribedText(subscriptionId: RequestId, method: string, params: JsonObject = {}): string {
  return notificationText(method, { ...params, _meta: { 'io.modelcontextprotocol/subscriptionId': subscriptionId } });
}

/** The response that ends a subscription from the server's side. */
export function endedText(subscriptionId: RequestId, registry: Registry): string {
  const _meta = { 'io.modelcontextprotocol/serverInfo': registry.info, 'io.modelcontextprotocol/subscriptionId': subscriptionId };
  return resultText(subscriptionId, JSON.stringify({ resultType: 'complete', _meta }));
}
