import { expect, it } from 'vitest';
import { describeDatabases } from '../support/database.ts';
import type { Json } from './served.ts';
import { callOf, seeded, serve, userOf } from './served.ts';

describeDatabases('calls at once', provider => {
  it('under a policy, writes and reads, all get their own caller’s answer', async () => {
    await using db = await seeded(provider);
    const own = async (ctx: never): Promise<object> => ({ clientId: userOf(ctx)?.clientId ?? 0 });
    const served = serve(db, {
      booking: { operations: ['findMany', 'create', 'update'], where: own },
      client: { where: (ctx: never) => ({ id: userOf(ctx)?.clientId ?? 0 }) },
    });
    const callers = Array.from({ length: 24 }, (_, index) => (index % 3) + 1);
    const rows = await Promise.all(
      callers.map(async clientId => {
        const created = await served.run(
          'booking_create',
          { data: { clientId, startsAt: '2026-05-01T09:00:00Z', price: '1' } },
          callOf(clientId),
        );
        const foreign = served.fail(
          'booking_create',
          { data: { clientId: (clientId % 3) + 1, startsAt: '2026-05-01T09:00:00Z', price: '1' } },
          callOf(clientId),
        );
        expect(await foreign).toBe('data.clientId: the related row does not exist');
        const page = await served.run('booking_findMany', {}, callOf(clientId));
        expect(page.rows.every((row: Json) => row.clientId === clientId)).toBe(true);
        return served.run('booking_update', { where: { id: created.id }, data: { price: '2' } }, callOf(clientId));
      }),
    );
    expect(rows.map(row => row.clientId)).toEqual(callers);
    expect(new Set(rows.map(row => row.id)).size).toBe(24);
    expect(await db.prisma.booking.count()).toBe(7 + 24);
  });
});
