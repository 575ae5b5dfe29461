import { createHash } from 'node:crypto';
import { StoreUnavailable, ToolError } from '../errors.ts';
import type { Call } from './call.ts';
import type { AuditEntry, CallToolResult, ElicitForm, JsonObject, ToolDefinition } from './definitions.ts';
import { confirmationArgument as argument, unconfirmedMember } from './definitions.ts';
import type { JsonSchema } from './json-schema.ts';

const away = 'the database does not answer, so the confirmation cannot be checked; nothing was changed; try again';

/** One call of a tool. */
export interface ToolCall {
  readonly tool: ToolDefinition;
  readonly args: JsonObject;
  /** The row of the call, if it is recorded. */
  readonly entry: AuditEntry | undefined;
}

/**
 * Calls a tool whose effect its user must confirm. Asks the user where the client can. Otherwise the result says what the call would do, and has
 * a token with which the same call does it, once, in any process.
 *
 * @throws {ToolError} if the user declines, if the token is not good for this call, or if the effect is another one than the user confirmed.
 */
export async function callConfirmed(call: Call, { tool, args, entry }: ToolCall): Promise<CallToolResult> {
  const { [argument]: token, ...rest } = args;
  const effect = await tool.effect?.(rest, call.ctx);
  if (effect === undefined) return tool.call(args, call.ctx, entry);
  const subject = { name: tool.name, arguments: rest, effect };
  const { confirmations } = call.server;
  const principal = call.principal ?? null;
  if (token !== undefined) {
    if (typeof token !== 'string' || !(await reachable(confirmations.take(token, principal, subject)))) {
      const why = 'unknown, used, expired or for another call, or the rows have changed since';
      throw new ToolError(`${argument}: ${why}; nothing was changed; leave it out to get another`);
    }
  } else if (call.canElicit) {
    await ask(call, effect);
    if ((await tool.effect?.(rest, call.ctx)) !== effect) {
      throw new ToolError('the rows have changed while the user was asked; nothing was changed; try again', { status: 409 });
    }
  } else return toResult(effect, await reachable(confirmations.give(principal, subject)), confirmations.keptMs);
  return tool.call(rest, call.ctx, entry);
}

/** @throws {ToolError} if the user does not agree. */
async function ask(call: Call, effect: string): Promise<void> {
  const form: ElicitForm<JsonSchema> = {
    message: `${effect.charAt(0).toUpperCase()}${effect.slice(1)}?`,
    requestedSchema: { type: 'object', properties: { confirm: { type: 'boolean', title: 'Yes, do it' } }, required: ['confirm'] },
    // An answer that was given to another effect does not count.
    key: `confirm_${createHash('sha256').update(effect).digest('hex').slice(0, 16)}`,
  };
  const answer = await call.elicit(form);
  if (answer.action !== 'accept' || answer.content['confirm'] !== true) {
    throw new ToolError('not confirmed: the user did not agree; nothing was changed');
  }
}

function toResult(effect: string, token: string, keptMs: number): CallToolResult {
  const next = `Nothing was changed. Ask the user. If they agree, repeat the call within ${Math.floor(keptMs / 1000)} s with this ${argument}.`;
  const structuredContent = { [unconfirmedMember]: { effect: `would ${effect}`, next, [argument]: token } };
  return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
}

async function reachable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw StoreUnavailable.isError(error) ? new ToolError(away, { status: 503, cause: error }) : error;
  }
}
