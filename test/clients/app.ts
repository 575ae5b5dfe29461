import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { mcp } from 'koa-mcp';
import { z } from 'zod';

/** What a call and its test wait for: that the call began, may go on, was aborted. */
interface Steps {
  readonly began: Gate;
  readonly proceeds: Gate;
  readonly aborted: Gate;
}

interface Gate {
  readonly promise: Promise<void>;
  readonly open: () => void;
}

const calls = new Map<string, Steps>();

function stepsOf(key: string): Steps {
  const found = calls.get(key) ?? { began: gate(), proceeds: gate(), aborted: gate() };
  calls.set(key, found);
  return found;
}

/** An app for what the example has no occasion for: progress, cancellation, and questions to the client. */
const app = new Koa();
app.use(async (ctx, next) => {
  const [, step, key] = /^\/(began|proceeds|aborted)\/(.+)$/.exec(ctx.path) ?? [];
  if (step === undefined || key === undefined) return next();
  const { promise, open } = stepsOf(key)[step as keyof Steps];
  if (ctx.method === 'POST') open();
  await promise;
  ctx.body = step;
});
const endpoint = mcp({
  name: 'clients',
  limits: { heartbeatMs: Number(process.env['HEARTBEAT_MS'] ?? 15_000) },
  tools: {
    count: {
      description: 'Counts to a number and reports each step; with a key it ends when it may',
      inputSchema: z.object({ to: z.int(), key: z.string().optional() }),
      handler: async ({ to, key }, ctx) => {
        for (let step = 1; step <= to; step += 1) ctx.mcp.progress(step, to);
        if (key !== undefined) await stepsOf(key).proceeds.promise;
        return `${to}`;
      },
    },
    wait: {
      description: 'Waits until it is cancelled',
      inputSchema: z.object({ key: z.string() }),
      handler: ({ key }, ctx) => {
        const { began, aborted } = stepsOf(key);
        ctx.mcp.signal.addEventListener('abort', () => aborted.open());
        began.open();
        return new Promise<never>(() => undefined);
      },
    },
    client: {
      description: 'Says who is calling and in which revision',
      handler: (_args, { mcp: { client, revision } }) => ({ name: client.info?.name, revision }),
    },
    form: {
      description: 'Asks the user to fill in a form',
      inputSchema: z.object({ message: z.string() }),
      handler: async ({ message }, ctx) => {
        const requestedSchema = z.object({ name: z.string(), people: z.int().min(1) });
        return ctx.mcp.elicit({ message, requestedSchema });
      },
    },
    two_forms: {
      description: 'Asks twice',
      handler: async (_args, ctx) => {
        const requestedSchema = z.object({ name: z.string() });
        const first = await ctx.mcp.elicit({ message: 'Who?', requestedSchema });
        const second = await ctx.mcp.elicit({ message: `Really ${JSON.stringify(first)}? Please decline`, requestedSchema });
        return `${first.action}, then ${second.action}`;
      },
    },
    page: {
      description: 'Asks the user to open a page',
      handler: async (_args, ctx) => ctx.mcp.elicit({ mode: 'url', message: 'Please pay', url: 'https://example.com/pay' }),
    },
    sample: {
      description: 'Asks the model of the client for a haiku',
      handler: async (_args, ctx) => {
        const question = { role: 'user', content: { type: 'text', text: 'A haiku' } } as const;
        const { content } = await ctx.mcp.sample({ messages: [question], maxTokens: 100 });
        return content.type === 'text' ? content.text : content.type;
      },
    },
    roots: {
      description: 'Asks for the folders of the client',
      handler: async (_args, ctx) => (await ctx.mcp.roots()).map(({ uri }) => uri).join(),
    },
  },
});
app.use(endpoint);
const server = app.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1');
await once(server, 'listening');
console.log(`clients: http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp is open`);

process.once('SIGTERM', () => {
  server.close();
  void endpoint.close({ deadlineMs: 1000 }).then(() => server.closeAllConnections());
});

/** A promise that is settled from outside. */
function gate(): Gate {
  let open: (() => void) | undefined;
  const promise = new Promise<void>(resolve => {
    open = resolve;
  });
  return { promise, open: () => open?.() };
}
