import type { Prisma } from './generated/sqlite/client/client.ts';
import type { Provider } from './migrations.ts';

const firstNames = ['Ada', 'Grace', 'Alan', 'Barbara', 'Claude', 'Dorothy', 'Edsger', 'Frances', 'Hedy', 'Ivan'];
const lastNames = [
  ...['Lovelace', 'Hopper', 'Turing', 'Liskov', 'Shannon', 'Vaughan', 'Dijkstra', 'Allen', 'Lamarr', 'Sutherland'],
  ...['Knuth', 'Johnson', 'McCarthy', 'Perlman', 'Ritchie', 'Hamilton', 'Wirth', 'Easley', 'Wilkes', 'Kay'],
];
const dayMs = 24 * 60 * 60 * 1000;

/** Fills an empty database with the same 200 clients and 1,000 bookings each time. The first clients are Ada Lovelace and Grace Hopper. */
export async function seed(transaction: Prisma.TransactionClient, provider: Provider): Promise<void> {
  if ((await transaction.client.count()) > 0) return;
  await transaction.client.createMany({ data: Array.from({ length: 200 }, (_, index) => toClient(index)) });
  await transaction.booking.createMany({ data: Array.from({ length: 1000 }, (_, index) => toBooking(index)) });
  if (provider === 'sqlite') return;
  // Inserts with given ids do not advance the sequences of PostgreSQL.
  await transaction.$executeRaw`SELECT setval(pg_get_serial_sequence('"Client"', 'id'), 200), setval(pg_get_serial_sequence('"Booking"', 'id'), 1000)`;
}

/** Combines ten first names and twenty last names so that no full name repeats. The first ten addresses contain the first name only. */
function toClient(index: number): Prisma.ClientCreateManyInput {
  const first = firstNames[index % 10] ?? '';
  const last = lastNames[(index + Math.floor(index / 10)) % 20] ?? '';
  const email = index < 10 ? `${first}@example.com` : `${first}.${last}@example.com`;
  return {
    id: index + 1,
    email: email.toLowerCase(),
    name: `${first} ${last}`,
    joinedAt: new Date(Date.UTC(2024, 0, 1, 9) + index * 3 * dayMs),
  };
}

/** Ada has twelve bookings, Grace has seven, every other client has about five. */
function toBooking(index: number): Prisma.BookingCreateManyInput {
  const clientId = index < 12 ? 1 : index < 19 ? 2 : 3 + (index % 198);
  const startsAt = new Date(Date.UTC(2027, 0, 1, 17 + (index % 5)) + ((index * 37) % 365) * dayMs);
  const status = index % 10 === 9 ? 'CANCELLED' : index % 3 === 0 ? 'PENDING' : 'CONFIRMED';
  return { id: index + 1, clientId, startsAt, people: 1 + (index % 8), status, notes: index % 7 === 0 ? 'Window table, please' : null };
}
