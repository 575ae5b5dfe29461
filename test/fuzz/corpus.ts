import type { Revision } from '../../src/protocol/revisions.ts';
import type { Random } from '../chaos/random.ts';

/** A message that is valid as it stands. */
export interface Sample {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

const where = [
  { id: 1 },
  { name: { contains: 'a' } },
  { AND: [{ id: { gt: 0 } }, { NOT: { name: 'Ada' } }] },
  { OR: [{ email: { endsWith: '.com' } }, { bookings: { some: { price: { gte: '1.5' } } } }] },
  { joinedAt: { lt: '2027-01-01T00:00:00.000Z' }, referredBy: { is: null } },
  { id: { in: [1, 2, 3] }, name: { not: { startsWith: 'B' } } },
];
const memberWhere = [
  { points: { gt: '1' } },
  { amount: { lte: '2.5' }, active: null },
  { facts: { path: ['a'], equals: [1] } },
  { extra: { path: ['b'], string_contains: 'c' } },
  { mood: { in: ['CALM', 'BUSY'] }, photo: { not: 'AP8=' } },
  { seenAt: { not: null }, ratio: { gte: 0.5 } },
  { lead: { is: { nick: 'm1' } } },
];
const booking = { clientId: 1, roomId: 'a', startsAt: '2026-05-01T10:00:00.000Z', status: 'PENDING', price: '12.50', meta: { a: [1] } };

type Make = (random: Random) => Record<string, unknown>;

/** Tools that answer without asking, with arguments. */
const calls: readonly (readonly [tool: string, args: Make])[] = [
  ['echo', () => ({ text: 'hi', times: 2 })],
  ['row', () => ({})],
  ['numbers', () => ({})],
  ['media', () => ({})],
  ['marked', () => ({})],
  ['refuse', () => ({})],
  ['advance', () => ({})],
  ['advance', () => ({})],
  ['advance', () => ({})],
  ['talk', () => ({})],
  ['whoami', () => ({})],
  ['mirrored', () => ({ region: 'eu west', count: 3, dry: true })],
  ['anything', () => ({ a: [1, { b: 'c' }], d: null, e: 1.5 })],
  ['many', random => ({ length: random.pick([0, 10, 20_000]) })],
  [
    'client_findUnique',
    random => ({ where: random.pick<object>([{ id: 1 }, { email: 'Ada@example.com' }]), select: { id: true, name: true } }),
  ],
  ['client_findFirst', random => ({ where: random.pick<object>(where), orderBy: { name: 'desc' } })],
  [
    'client_findMany',
    random => ({
      where: random.pick<object>(where),
      orderBy: [{ name: 'asc' }, { id: 'desc' }],
      take: 2,
      cursor: { id: 1 },
      distinct: ['name'],
    }),
  ],
  ['client_findMany', random => ({ where: random.pick<object>(where), select: { id: true, bookings: true }, take: 3 })],
  ['client_count', random => ({ where: random.pick<object>(where) })],
  ['client_aggregate', random => ({ where: random.pick<object>(where), _count: true, _min: { id: true }, _max: { joinedAt: true } })],
  [
    'client_groupBy',
    () => ({
      by: ['name', 'joinedAt:week'],
      _count: true,
      _max: { id: true },
      having: { id: { _max: { gt: 0 } } },
      orderBy: { name: 'asc' },
      take: 5,
    }),
  ],
  [
    'client_create',
    random => ({
      data: { email: `c${random.between(0, 1e6)}@example.com`, name: 'New', phone: '1', joinedAt: '2026-01-01T00:00:00Z', referredById: 1 },
    }),
  ],
  ['client_update', () => ({ where: { id: 2 }, data: { name: 'Grace', phone: null } })],
  [
    'client_upsert',
    () => ({ where: { email: 'Linus@example.com' }, create: { email: 'Linus@example.com', name: 'L' }, update: { name: 'L2' } }),
  ],
  ['client_delete', random => ({ where: { id: random.between(5, 500) } })],
  [
    'booking_findMany',
    () => ({
      where: { status: 'PENDING', client: { is: { name: 'Ada' } }, price: { gt: '0' }, meta: { path: ['id'], equals: 1 } },
      orderBy: { startsAt: 'desc' },
      take: 2,
    }),
  ],
  [
    'booking_groupBy',
    () => ({
      by: ['startsAt:month', 'status'],
      _count: true,
      _sum: { price: true },
      _avg: { price: true },
      having: { price: { _sum: { gt: '0' } } },
      orderBy: { startsAt: 'asc' },
    }),
  ],
  ['booking_createMany', () => ({ data: [booking, { ...booking, status: 'CANCELLED' }] })],
  ['booking_updateMany', () => ({ where: { id: { lt: 3 } }, data: { price: { increment: '1' }, meta: { b: null } }, dryRun: true })],
  ['booking_deleteMany', () => ({ where: { id: { gt: 30 } } })],
  ['booking_update', () => ({ where: { id: 1 }, data: { price: { increment: 1 }, status: 'CONFIRMED' } })],
  ['room_findUnique', () => ({ where: { code: 'a' } })],
  ['room_findMany', () => ({ where: { bookings: { every: { price: { gt: 0 } } } }, take: 1 })],
  ['room_create', random => ({ data: { code: `r${random.between(0, 1e6)}`, capacity: 3 } })],
  [
    'auditLog_findMany',
    () => ({ where: { id: { gte: '1' }, payload: { not: 'AA==' }, ratio: { in: [0.5, 1e3] } }, orderBy: { id: 'asc' } }),
  ],
  ['auditLog_aggregate', () => ({ _count: true, _sum: { id: true, ratio: true }, _avg: { ratio: true } })],
  ['auditLog_create', random => ({ data: { id: String(random.between(10, 1e6)), payload: 'AQI=', ratio: 1.25, actor: 'me' } })],
  ['member_findMany', random => ({ where: random.pick<object>(memberWhere), orderBy: { points: 'asc' }, distinct: ['mood'] })],
  ['member_groupBy', () => ({ by: ['mood', 'seenAt:day'], _count: true, _avg: { score: true, points: true }, _sum: { amount: true } })],
  [
    'member_aggregate',
    random => ({ where: random.pick<object>(memberWhere), _sum: { points: true, amount: true }, _min: { seenAt: true } }),
  ],
  [
    'member_updateMany',
    random => ({
      where: random.pick<object>(memberWhere),
      data: { score: { multiply: 2 }, extra: { x: [1] }, points: '7', photo: 'AAAA' },
    }),
  ],
  ['search', () => ({ query: 'ada example' })],
  ['fetch', () => ({ id: 'client/1' })],
];

/** Tools of the style `compact`. */
const compactCalls: readonly (readonly [tool: string, args: Make])[] = [
  ['find_models', () => ({ query: 'booking' })],
  ['describe_model', () => ({ model: 'member' })],
  ['read_rows', random => ({ model: 'member', operation: 'findMany', where: random.pick<object>(memberWhere), take: 3 })],
  [
    'read_rows',
    random => ({ model: 'client', operation: random.pick(['findMany', 'count', 'findFirst']), where: random.pick<object>(where) }),
  ],
  ['read_rows', () => ({ model: 'booking', operation: 'groupBy', by: ['status', 'startsAt:year'], _sum: { price: true } })],
  ['create_rows', () => ({ model: 'booking', operation: 'createMany', data: [booking] })],
  ['update_rows', () => ({ model: 'client', operation: 'update', where: { id: 1 }, data: { phone: '2' } })],
  ['delete_rows', () => ({ model: 'booking', operation: 'deleteMany', where: { id: { gt: 40 } }, dryRun: true })],
];

/** Tools that ask their client something. */
const askingTools = ['book', 'choose', 'select', 'visit', 'think', 'folders', 'booking_deleteMany'];

/** A call of a tool that asks. */
export function askingCall(random: Random): Sample {
  const name = random.pick(askingTools);
  const args = name === 'book' ? { times: random.between(1, 3) } : name === 'booking_deleteMany' ? { where: { id: { gt: 20 } } } : {};
  return { method: 'tools/call', params: { name, arguments: args } };
}

/** A call of a tool that does not ask. */
export function plainCall(random: Random, isCompact: boolean): Sample {
  const [name, make] = random.pick(isCompact ? compactCalls : calls);
  return {
    method: 'tools/call',
    params: {
      name,
      arguments: make(random),
      ...((name === 'advance' || random.chance(0.3)) && { _meta: { progressToken: random.pick([1, 'p']) } }),
    },
  };
}

const uris = [
  'test://fixed',
  'test://item/a/b',
  'test://item/none/none',
  'fuzzed://client',
  'fuzzed://client/1',
  'fuzzed://client?email=Ada%40example.com',
  'fuzzed://booking',
  'fuzzed://room/a',
  'fuzzed://member',
];
const logLevels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

const requests: Readonly<Record<string, Make>> = {
  ping: () => ({}),
  'server/discover': () => ({}),
  'tools/list': () => ({}),
  'resources/list': () => ({}),
  'resources/templates/list': () => ({}),
  'prompts/list': random => random.pick([{}, { cursor: '' }]),
  'resources/read': random => ({ uri: random.pick(uris) }),
  'resources/subscribe': random => ({ uri: random.pick(uris) }),
  'resources/unsubscribe': random => ({ uri: random.pick(uris) }),
  'prompts/get': random =>
    random.pick<Record<string, unknown>>([
      { name: 'greet', arguments: { name: 'Ada', tone: 'warm' } },
      { name: 'listen' },
      { name: 'client_greeting', arguments: { email: 'Ada@example.com' } },
    ]),
  'completion/complete': random => ({
    ...random.pick<object>([
      { ref: { type: 'ref/resource', uri: 'test://item/{kind}/{id}' }, argument: { name: 'id', value: 'a' } },
      { ref: { type: 'ref/resource', uri: 'test://item/{kind}/{id}' }, argument: { name: 'kind', value: 'k' } },
      { ref: { type: 'ref/prompt', name: 'client_greeting' }, argument: { name: 'email', value: 'A' } },
      { ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'name', value: '' } },
      { ref: { type: 'ref/resource', uri: 'fuzzed://client/{id}' }, argument: { name: 'id', value: '1' } },
      { ref: { type: 'ref/resource', uri: 'fuzzed://room{?code}' }, argument: { name: 'code', value: '' } },
    ]),
    ...(random.chance(0.6) && { context: { arguments: { kind: 'k' } } }),
  }),
  'logging/setLevel': random => ({ level: random.pick(logLevels) }),
};

/** What a client of a revision may ask for, but `initialize` and `subscriptions/listen`. */
export function anyRequest(random: Random, revision: Revision, isCompact: boolean): Sample {
  if (random.chance(0.5)) return plainCall(random, isCompact);
  const methods = Object.keys(requests).filter(method => revision.methods.has(method));
  // Params with many members make many different requests.
  const method = random.pick([...methods, ...methods.filter(each => each === 'completion/complete' || each === 'prompts/get')]);
  return { method, params: requests[method]?.(random) ?? {} };
}

/** `initialize`. */
export function initialize(random: Random, revision: string): Sample {
  const capabilities = random.pick<object>([{}, { roots: { listChanged: true }, sampling: {}, elicitation: { form: {}, url: {} } }]);
  return { method: 'initialize', params: { protocolVersion: revision, capabilities, clientInfo: { name: 'fuzz', version: '1.0.0' } } };
}

/** `subscriptions/listen`. */
export function listen(random: Random): Sample {
  const notifications = {
    toolsListChanged: true,
    promptsListChanged: true,
    resourcesListChanged: true,
    resourceSubscriptions: [random.pick(uris), random.pick(uris)],
  };
  return { method: 'subscriptions/listen', params: { notifications } };
}

/** A notification of a client. */
export function anyNotification(random: Random): Sample {
  return random.pick<Sample>([
    { method: 'notifications/initialized', params: {} },
    { method: 'notifications/cancelled', params: { requestId: random.between(1, 9), reason: 'no more' } },
    { method: 'notifications/progress', params: { progressToken: 1, progress: 0.5, total: 1, message: 'half' } },
    { method: 'notifications/roots/list_changed', params: {} },
  ]);
}

/** The answer of a client to a question. */
export function answerTo(method: string, random: Random): Record<string, unknown> {
  if (method === 'roots/list') return { roots: [{ uri: 'file:///a', name: 'a' }] };
  if (method === 'sampling/createMessage')
    return { role: 'assistant', content: { type: 'text', text: 'Hm.' }, model: 'm', stopReason: 'endTurn' };
  const content = { people: 2, quiet: true, size: 's', note: 'n', gift: false, extras: ['tea'], confirm: true };
  return random.pick<Record<string, unknown>>([
    { action: 'accept', content },
    { action: 'accept', content },
    { action: 'decline' },
    { action: 'cancel' },
  ]);
}
