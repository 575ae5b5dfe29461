import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import { loadKoaMcp } from './contenders/load.ts';

// `start-up-child.ts <models> [build]`: prints the milliseconds that loading koa-mcp and exposing so many models takes.

const [count = '1', build] = process.argv.slice(2);
const { Booking: booking } = datamodel.models;
if (booking === undefined) throw new Error('the datamodel of the tests has no Booking');
const fields = booking.fields.filter(({ kind }) => kind !== 'object');
const numbers = Array.from({ length: Number(count) }, (_, index) => index + 1);
const many = {
  ...datamodel,
  models: Object.fromEntries(
    numbers.map(number => [`Booking${number}`, { ...booking, name: `Booking${number}`, key: `booking${number}`, fields }]),
  ),
};
// Nothing is read at start-up.
const prisma = Object.fromEntries(numbers.map(number => [`booking${number}`, { findMany: () => [] }]));
const operations = ['findUnique', 'findMany', 'count', 'create', 'update', 'delete'];
const models = Object.fromEntries(numbers.map(number => [`booking${number}`, { operations }]));

const startedAt = performance.now();
const { mcp, memoryStore } = await loadKoaMcp(build);
const middleware = mcp({ name: 'bench', prisma, datamodel: many, models: models as never, sessions: { store: memoryStore() } });
process.stdout.write(`${performance.now() - startedAt}`);
await middleware.close();
