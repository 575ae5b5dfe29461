import type { Prisma } from './generated/sqlite/client/client.ts';
import type { User } from './users.ts';

/** The bookings that a caller may see and change: staff have all, a client has its own, a guest has none. */
export function bookingsOf(user: User | undefined): Prisma.BookingWhereInput {
  if (user?.role === 'staff') return {};
  return user?.clientId === undefined ? { id: { in: [] } } : { clientId: user.clientId };
}

/** The clients that a caller may change, and whose e-mail addresses it may see. Everybody may see names and joining dates. */
export function ownClient(user: User | undefined): Prisma.ClientWhereInput {
  if (user?.role === 'staff') return {};
  return { id: { in: user?.clientId === undefined ? [] : [user.clientId] } };
}

/** The columns of a client that this caller may see. */
export function toClient(client: { id: number; email: string; name: string; joinedAt: Date }, user: User | undefined) {
  const { email, ...visible } = client;
  return user?.role === 'staff' || user?.clientId === client.id ? { ...visible, email } : visible;
}
