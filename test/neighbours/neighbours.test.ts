import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { defaults } from '../../src/options.ts';
import { seeded } from '../models/served.ts';
import type { Json } from '../security/world.ts';
import { signIn } from '../security/world.ts';
import type { TestDatabase } from '../support/database.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { Neighbour } from './neighbour.ts';
import type { Row } from './rows.ts';
import { limitRows, limitsWithoutRow, sessionRows, sessionsWithoutRow, tools, whereRows } from './rows.ts';

const models: Json = {
  booking: { operations: ['findMany', 'create'], idempotent: ['create'] },
  client: { operations: ['findMany'] },
  room: { operations: ['findMany'] },
};
const resources: Json = { item: { uriTemplate: 'test://item/{id}', handler: () => 'item' } };

const patienceMs = 60_000;

describe('a caller beyond a limit leaves another one its calls, session, streams, subscriptions, continuation, key and task', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await seeded('sqlite');
  });
  afterEach(async () => {
    await db.prisma.mcpIdempotencyKey.deleteMany();
    await db.prisma.mcpSession.deleteMany();
  });
  afterAll(() => db.close());

  async function leavesNeighbour({ limits, sessions, exceed }: Row): Promise<void> {
    const { prisma, datamodel } = db;
    await using server = await start(
      { prisma, datamodel, models, tools, resources, ...(limits && { limits }), ...(sessions && { sessions }) },
      { before: [signIn] },
    );
    const neighbour = await Neighbour.moveIn(server);
    await neighbour.calls();
    const [end] = await Promise.all([exceed(server), neighbour.calls()]);
    await neighbour.calls();
    await neighbour.hasEverything();
    if (typeof end === 'function') await end();
    await neighbour.calls();
    neighbour.moveOut();
    forgiveResets(server);
  }

  it.each(Object.entries(limitRows))('limits.%s', (_, row) => leavesNeighbour(row), patienceMs);
  it.each(Object.entries(whereRows))('limits.where.%s', (_, row) => leavesNeighbour(row), patienceMs);
  it.each(Object.entries(sessionRows))('sessions.%s', (_, row) => leavesNeighbour(row), patienceMs);
});

it('every limit has a row, or a reason why no caller runs into it', () => {
  expect([...Object.keys(limitRows), ...Object.keys(limitsWithoutRow)].toSorted()).toEqual(Object.keys(defaults.limits).toSorted());
  expect([...Object.keys(sessionRows), ...Object.keys(sessionsWithoutRow)].toSorted()).toEqual(Object.keys(defaults.sessions).toSorted());
});

/** Koa reports connections that are reset while an answer is sent. */
function forgiveResets({ errors }: TestServer): void {
  for (const error of errors.splice(0)) expect(error).toMatchObject({ code: 'ECONNRESET' });
}
