// One process of an app, which replays.test.ts starts: a tool that asks, and a write that must be confirmed.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PrismaPg } from '@prisma/adapter-pg';
import Koa from 'koa';
import { z } from 'zod';
import { PrismaClient } from '../../generated/test/postgresql/client/client.ts';
import { datamodel } from '../../generated/test/postgresql/mcp/datamodel.ts';
import { mcp } from '../../src/index.ts';

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.argv[2] ?? '', max: 8 }) });
const requestedSchema = z.object({ name: z.string() });
const endpoint = mcp({
  name: 'test',
  prisma,
  datamodel,
  principal: () => 'ada',
  models: { room: { operations: ['update'], confirm: ['update'] } },
  tools: {
    form: {
      description: 'Asks for a name, and makes a tag of it',
      handler: async (_args, ctx) => {
        const answer = await ctx.mcp.elicit({ message: 'Name?', requestedSchema });
        if (answer.action !== 'accept') return answer.action;
        // Every run leaves a row of its own.
        await prisma.tag.create({ data: { label: `${answer.content.name} ${Math.random()}` } });
        return answer.content.name;
      },
    },
  },
});
const server = new Koa().use(endpoint).listen(0, '127.0.0.1');
await once(server, 'listening');
// Whoever started it is gone.
process.on('disconnect', () => process.exit());
process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
