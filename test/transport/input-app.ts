import type Koa from 'koa';
import { expect } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import type { InputRequests } from '../support/modern.ts';

type Asking = HandlerContext['mcp'];

/** Capabilities of a client that can answer everything here. */
export const able = { elicitation: { form: {} }, sampling: {}, roots: {} };
const nameForm = { message: 'Your name?', requestedSchema: z.object({ name: z.string().min(1) }) };
const ageForm = { message: 'Your age?', requestedSchema: z.object({ age: z.int() }) };
export const accept = (content: object) => ({ action: 'accept', content });
export const sampled = { role: 'assistant', content: { type: 'text', text: 'Aha' }, model: 'm' };

/** What the handlers did, in order, across all runs. */
export const done: string[] = [];

/** Tools, prompts and resources that ask. */
export const options = {
  principal: (ctx: Koa.Context) => ctx.get('x-user') || undefined,
  tools: {
    greet: {
      description: 'Asks for a name',
      inputSchema: z.object({ polite: z.boolean().optional(), tags: z.record(z.string(), z.number()).optional() }),
      handler: async (_: unknown, { mcp }: HandlerContext) => {
        done.push('before');
        const answer = await mcp.elicit(nameForm);
        done.push('after');
        return answer.action === 'accept' ? `Hello ${answer.content.name}` : `You said ${answer.action}`;
      },
    },
    part: {
      description: 'Asks for a name, too',
      handler: async (_: unknown, { mcp }: HandlerContext) => JSON.stringify(await mcp.elicit(nameForm)),
    },
    interview: {
      description: 'Asks three things, one after the other',
      handler: async (_: unknown, { mcp }: HandlerContext) => {
        const name = await mcp.elicit(nameForm);
        done.push('name');
        const age = await mcp.elicit(ageForm);
        done.push('age');
        const thought = await mcp.sample({ messages: [], maxTokens: 5 });
        done.push('thought');
        return { name, age, thought: thought.model, roots: await mcp.roots() };
      },
    },
    survey: {
      description: 'Asks four things at once',
      handler: async (_: unknown, { mcp }: HandlerContext) => {
        const [name, age, thought, roots] = await Promise.all([
          mcp.elicit({ ...nameForm, key: 'name' }),
          mcp.elicit({ ...ageForm, key: 'age' }),
          mcp.sample({ messages: [], maxTokens: 5 }),
          mcp.roots({ key: 'where' }),
        ]);
        return { name, age, thought: thought.model, roots };
      },
    },
    twice: {
      description: 'Asks the same twice at once',
      handler: async (_: unknown, { mcp }: HandlerContext) => ({ answers: await Promise.all([mcp.elicit(ageForm), mcp.elicit(ageForm)]) }),
    },
    careless: {
      description: 'Asks and does not wait',
      handler: (_: unknown, { mcp }: HandlerContext) => {
        void mcp.elicit(nameForm);
        return 'done anyway';
      },
    },
    guarded: {
      description: 'Asks whether it is enabled',
      enabled: async ({ mcp }: { mcp: Asking }) => {
        if (mcp.client.info?.['name'] !== 'asks first') return true;
        return (await mcp.elicit(nameForm)).action === 'accept';
      },
      handler: () => 'enabled',
    },
  },
  prompts: {
    letter: {
      description: 'Asks for a name',
      handler: async (_: unknown, { mcp }: HandlerContext) => {
        const answer = await mcp.elicit(nameForm);
        return `Write to ${answer.action === 'accept' ? answer.content.name : 'nobody'}`;
      },
    },
  },
  resources: {
    secret: {
      uriTemplate: 'test://secret/{id}',
      cache: { ttlMs: 60_000, cacheScope: 'public' as const },
      complete: { id: async (_: string, { mcp }: HandlerContext) => [(await mcp.elicit(nameForm)).action] },
      handler: async ({ id }: { id: string }, { mcp }: HandlerContext) => `${id}: ${(await mcp.elicit(nameForm)).action}`,
    },
  },
};

/** The questions of an `input_required` result: keys and their state. */
export const questions = (result: { resultType: string; inputRequests: InputRequests; requestState: string }) => {
  expect(result.resultType).toBe('input_required');
  return { keys: Object.keys(result.inputRequests), requests: result.inputRequests, requestState: result.requestState };
};
/** The text of a complete result. */
export const textOf = (result: { resultType: string; content: { text: string }[] }) => {
  expect(result.resultType).toBe('complete');
  return result.content[0]?.text ?? '';
};
