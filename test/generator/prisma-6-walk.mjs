/**
 * A walk over the main operations with the client of another Prisma version. `prisma-6.test.ts` copies this file into a folder with the packed
 * package and a generated client, and reads the one line of JSON that it prints.
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createClient } from '@libsql/client';
import { PrismaLibSQL } from '@prisma/adapter-libsql';
import Koa from 'koa';
import { mcp, sqliteAdapter } from 'koa-mcp';
import { PrismaClient } from './generated/client/client.ts';
import { datamodel } from './generated/mcp/datamodel.ts';

const url = 'file:./walk.db';
const database = createClient({ url });
await database.executeMultiple(await readFile('migration.sql', 'utf8'));
database.close();

const prisma = new PrismaClient({ adapter: sqliteAdapter(new PrismaLibSQL({ url })) });
const operations = ['findUnique', 'findMany', 'count', 'create', 'update', 'delete'];
const endpoint = mcp({
  name: 'walk',
  prisma,
  datamodel,
  models: {
    client: { operations: [...operations], where: { id: { lt: 3 } } },
    booking: { operations: [...operations], include: { client: { select: { name: true } } } },
  },
});
const server = new Koa().use(endpoint).listen(0, '127.0.0.1');
await once(server, 'listening');
const address = `http://127.0.0.1:${server.address().port}/mcp`;
let session = null;
let id = 0;

async function ask(method, params) {
  const response = await fetch(address, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(session !== null && { 'mcp-session-id': session }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params }),
  });
  session ??= response.headers.get('mcp-session-id');
  return response.json();
}

async function call(name, args) {
  const { result, error } = await ask('tools/call', { name, arguments: args });
  const [block] = result?.content ?? [];
  return result?.structuredContent ?? block?.text ?? error;
}

await ask('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'walk', version: '1.0.0' } });
for (const name of ['Ada', 'Grace']) await call('client_create', { data: { name, email: `${name}@example.com`, joinedAt: '2026-01-01' } });
await prisma.client.create({ data: { id: 3, name: 'Hidden', email: 'hidden@example.com' } });
const results = {
  created: await call('booking_create', { data: { clientId: 1, startsAt: '2026-02-01T09:00:00Z', people: 3 } }),
  hidden: await call('booking_create', { data: { clientId: 3, startsAt: '2026-02-01T09:00:00Z' } }),
  updated: await call('booking_update', { where: { id: 1 }, data: { people: { increment: 2 }, status: 'CONFIRMED' } }),
  found: await call('client_findMany', { where: { bookings: { some: { people: { gte: 5 } } } }, select: { name: true } }),
  one: await call('client_findUnique', { where: { email: 'Grace@example.com' }, select: { name: true, joinedAt: true } }),
  counted: await call('client_count', {}),
  taken: await call('client_create', { data: { name: 'Ada', email: 'Ada@example.com' } }),
  referenced: await call('client_delete', { where: { id: 1 } }),
  deleted: await call('booking_delete', { where: { id: 1 } }),
  missing: await call('booking_findUnique', { where: { id: 1 } }),
  sessions: await prisma.mcpSession.count(),
};
console.log(JSON.stringify(results));
await endpoint.close();
server.close();
server.closeAllConnections();
await prisma.$disconnect();
