import { z } from 'zod';
import type { Tool } from '../../src/options.ts';
import type { Ledger } from './ledger.ts';

const key = z.string();
const echoSchema = z.object({ text: z.string() });
const workSchema = z.object({ key, steps: z.int(), stepMs: z.int(), doesDrop: z.boolean() });
const askSchema = z.object({ key });
const holdSchema = z.object({ key, ms: z.int() });

/** The tools of a process. What their handlers do is written into the ledger. */
export function toolsOf(node: string, ledger: Ledger): Record<string, Tool> {
  const { scheduler } = ledger;
  const run = async (call: string, work: () => Promise<string>): Promise<string> => {
    const handler = ledger.handlerBegins(call, node);
    try {
      const text = await work();
      handler.finish(text);
      return text;
    } catch (error) {
      handler.fail();
      throw error;
    }
  };
  const echo: Tool<typeof echoSchema> = {
    description: 'Says it again',
    inputSchema: echoSchema,
    handler: ({ text }) => run(text, async () => text),
  };
  const work: Tool<typeof workSchema> = {
    description: 'Counts, and reports each step',
    inputSchema: workSchema,
    handler: ({ key: call, steps, stepMs, doesDrop }, ctx) =>
      run(call, async () => {
        for (let step = 1; step <= steps; step += 1) {
          await scheduler.sleep(stepMs);
          ctx.mcp.progress(step, steps);
          if (doesDrop && step === 1) ctx.mcp.closeStream({ retryMs: 50 });
        }
        return call;
      }),
  };
  const ask: Tool<typeof askSchema> = {
    description: 'Asks the client for its folders',
    inputSchema: askSchema,
    handler: ({ key: call }, ctx) => run(call, async () => (await ctx.mcp.roots()).map(({ uri }) => uri).join()),
  };
  const hold: Tool<typeof holdSchema> = {
    description: 'Waits, unless it is cancelled',
    inputSchema: holdSchema,
    handler: ({ key: call, ms }, ctx) =>
      run(call, async () => {
        const { signal } = ctx.mcp;
        await new Promise<void>((resolve, reject) => {
          const end = scheduler.at(ms, scheduler.owner, 'has held', resolve);
          signal.addEventListener('abort', () => {
            end.isCancelled = true;
            reject(signal.reason as Error);
          });
        });
        return call;
      }),
  };
  const toil: Tool<typeof holdSchema> = { ...hold, description: 'The same as a task', task: 'required' };
  const leave: Tool<typeof askSchema> = {
    description: 'Leaves its work to a worker',
    task: 'required',
    inputSchema: askSchema,
    handler: ({ key: call }, ctx) =>
      run(call, async () => {
        await ctx.mcp.defer(taskId => ledger.tasks.handedOver.set(call, taskId));
        return call;
      }),
  };
  return { echo, work, ask, hold, toil, leave };
}
