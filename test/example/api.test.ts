import Koa from 'koa';
import bodyParser from 'koa-bodyparser';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../../example-app/api.ts';
import type { Database } from '../../example-app/database.ts';
import { openDatabase } from '../../example-app/database.ts';
import { signIn } from '../../example-app/users.ts';
import type { EmptyDatabase } from '../support/database.ts';
import { emptyDatabase } from '../support/database.ts';

let place: EmptyDatabase;
let database: Database;
let app: ReturnType<Koa['callback']>;
beforeAll(async () => {
  place = await emptyDatabase('sqlite');
  database = await openDatabase(place.url);
  const router = api(database.prisma);
  app = new Koa().use(signIn).use(bodyParser()).use(router.routes()).use(router.allowedMethods()).callback();
});
afterAll(async () => {
  await database.prisma.$disconnect();
  await place[Symbol.asyncDispose]();
});

const as = (token: string) => ({ Authorization: `Bearer ${token}` });

describe('signing in', () => {
  it.each(['Bearer nobody', 'Bearer ', 'Basic ZGVtby1hZGE6', 'demo-ada', 'Bearer demo-ada demo-staff', 'Bearer __proto__'])(
    'answers 401 with a challenge to %j',
    async authorization => {
      const response = await request(app).get('/clients').set('Authorization', authorization).expect(401);
      expect(response.headers['www-authenticate']).toBe('Bearer realm="reservations", error="invalid_token"');
      expect(response.text).toBe('Unknown token');
    },
  );

  it('takes the scheme in any case', async () => {
    await request(app).get('/bookings').set('Authorization', 'bearer demo-ada').expect(200);
  });
});

describe('GET /clients', () => {
  it.each([
    [{}, []],
    [as('demo-ada'), ['ada@example.com']],
    [as('demo-grace'), ['grace@example.com']],
  ])('shows every name, but to %j no address except the own', async (headers, addresses) => {
    const { body } = await request(app).get('/clients').set(headers).expect(200);
    expect(body).toHaveLength(200);
    expect(body[0]).toMatchObject({ id: 1, name: 'Ada Lovelace', joinedAt: '2024-01-01T09:00:00.000Z' });
    expect(body.flatMap((client: { email?: string }) => client.email ?? [])).toEqual(addresses);
  });

  it('shows staff every address', async () => {
    const { body } = await request(app).get('/clients').set(as('demo-staff')).expect(200);
    expect(body.every((client: { email?: string }) => client.email?.endsWith('@example.com'))).toBe(true);
  });
});

describe('GET /bookings', () => {
  it.each([
    ['demo-ada', 1, 12],
    ['demo-grace', 2, 7],
  ])('shows %s the own bookings only', async (token, clientId, count) => {
    const { body } = await request(app).get('/bookings').set(as(token)).expect(200);
    expect(body).toHaveLength(count);
    expect(body.every((booking: { clientId: number }) => booking.clientId === clientId)).toBe(true);
  });

  it('shows staff the bookings of everybody, and a guest none', async () => {
    const { body } = await request(app).get('/bookings').set(as('demo-staff')).expect(200);
    expect(new Set(body.map((booking: { clientId: number }) => booking.clientId)).size).toBeGreaterThan(50);
    await request(app).get('/bookings').expect(200, []);
  });

  it('answers 404 to a foreign booking as to one that does not exist', async () => {
    await request(app).get('/bookings/1').set(as('demo-ada')).expect(200);
    await request(app).get('/bookings/1').set(as('demo-grace')).expect(404, 'No such booking');
    await request(app).get('/bookings/1').expect(404, 'No such booking');
    await request(app).get('/bookings/99999').set(as('demo-staff')).expect(404, 'No such booking');
    await request(app).get('/bookings/99999999999').set(as('demo-staff')).expect(404, 'No such booking');
    await request(app).get('/bookings/one').set(as('demo-staff')).expect(404, 'No such booking');
  });
});

describe('POST /bookings', () => {
  const startsAt = '2027-05-01T18:00:00.000Z';

  it('books for the caller, whoever the body names', async () => {
    const { body } = await request(app).post('/bookings').set(as('demo-ada')).send({ startsAt, people: 4, clientId: 2 }).expect(201);
    expect(body).toMatchObject({ clientId: 1, startsAt, people: 4, status: 'PENDING', notes: null });
    expect(await database.prisma.booking.findUnique({ where: { id: body.id } })).toMatchObject({ clientId: 1 });
  });

  it('books for a client that staff names', async () => {
    const { body } = await request(app).post('/bookings').set(as('demo-staff')).send({ startsAt, clientId: 2 }).expect(201);
    expect(body).toMatchObject({ clientId: 2, people: 2 });
  });

  it('refuses a guest with a challenge and writes nothing', async () => {
    const before = await database.prisma.booking.count();
    const response = await request(app).post('/bookings').send({ startsAt, clientId: 1 }).expect(401);
    expect(response.headers['www-authenticate']).toBe('Bearer realm="reservations"');
    expect(await database.prisma.booking.count()).toBe(before);
  });

  it.each([
    ['demo-ada', {}, /^startsAt: /],
    ['demo-ada', { startsAt: 'tomorrow' }, /^startsAt: /],
    ['demo-ada', { startsAt, people: 0 }, /^people: /],
    ['demo-ada', { startsAt, status: 'CONFIRMED' }, /status/],
    ['demo-staff', { startsAt, clientId: 99999999999 }, /^clientId: /],
    ['demo-staff', { startsAt }, /^clientId: say for whom$/],
    ['demo-staff', { startsAt, clientId: 9999 }, /^clientId: there is no client 9999$/],
  ])('answers 400 to %s with %j, naming the field', async (token, body, message) => {
    const response = await request(app).post('/bookings').set(as(token)).send(body).expect(400);
    expect(response.text).toMatch(message);
  });
});
