import type { Prisma } from './generated/sqlite/client/client.ts';
import type { User } from './users.ts';

/** The bookings a caller may see and change: the own ones, all for staff, none for a guest. */
export function bookingsOf(user: User | undefined): Prisma.BookingWhereInput {
  if (user?.role === 'staff') return {};
  return user?.clientId === undefined ? { id: { in: [] } } : { clientId: user.clientId };
}

/** The clients a caller may change, and whose e-mail address it may see. Name and date joined are public. */
export function ownClient(user: User | undefined): Prisma.ClientWhereInput {
  if (user?.role === 'staff') return {};
  return { id: { in: user?.clientId === undefined ? [] : [user.clientId] } };
}

/** A client row as this caller may see it. */
export function toClient(client: { id: number; email: string; name: string; joinedAt: Date }, user: User | undefined) {
  const { email, ...visible } = client;
  return user?.role === 'staff' || user?.clientId === client.id ? { ...visible, email } : visible;
}
