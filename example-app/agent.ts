/**
 * `npm run example:agent`: books a table for Ada, as the agent of a member of staff would, and cancels it again. It prints each step. No language
 * model takes part: the calls are those that one would make.
 *
 * The first argument is the URL of the endpoint, `http://127.0.0.1:3000/mcp` without it. `npm run example` or `npm run example:cluster` serves it.
 */
import { randomUUID } from 'node:crypto';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const endpoint = new URL(process.argv[2] ?? 'http://127.0.0.1:3000/mcp');
/** The first week of March 2027. */
const week = { gte: '2027-03-01T00:00:00.000Z', lt: '2027-03-08T00:00:00.000Z' };
/** When tables can be booked, UTC. */
const hours = [17, 18, 19, 20, 21];
/** The processes of a cluster that have answered. */
const servedBy = new Set<string>();
let step = 0;

interface Booking {
  readonly id: number;
  readonly startsAt: string;
  readonly people: number;
  readonly status: string;
}

try {
  await book();
} catch (error) {
  const { message, cause } = error as Error & { cause?: { code?: string } };
  const away = cause?.code === 'ECONNREFUSED' ? `. Nothing listens at ${endpoint.origin}: run npm run example` : '';
  console.error(`agent: ${message}${away}`);
  process.exit(1);
}

async function book(): Promise<void> {
  const { client: staff, transport } = await connect('demo-staff');
  const { name = '', version = '' } = staff.getServerVersion() ?? {};
  say(`Connected to ${name} ${version} as staff: revision ${staff.getNegotiatedProtocolVersion()}, session ${transport.sessionId}.`);

  const { tools } = await staff.listTools();
  say(`The server has ${tools.length} tools: ${tools.map(tool => tool.name).join(', ')}.`);

  const ada = await call<{ id: number; name: string }>(staff, 'get_client', { email: 'ada@example.com' });
  say(`get_client finds ${ada.name}, client ${ada.id}.`);

  const isTaken = { status: { not: 'CANCELLED' } };
  const { groups } = await call<{ groups: { startsAt: string; _count: number }[] }>(staff, 'booking_groupBy', {
    by: ['startsAt:day'],
    where: { startsAt: week, ...isTaken },
    _count: true,
  });
  const day = quietestDay(groups);
  say(`booking_groupBy counts the bookings of each day of a week. The quietest day is ${day}.`);

  const { rows } = await call<{ rows: Booking[] }>(staff, 'booking_findMany', {
    where: { startsAt: { gte: `${day}T00:00:00.000Z`, lte: `${day}T23:59:59.999Z` }, ...isTaken },
  });
  const startsAt = freeTime(day, rows);
  say(`booking_findMany lists that day, with this many bookings: ${rows.length}. A free time is ${startsAt}.`);

  const idempotencyKey = randomUUID();
  const data = { clientId: ada.id, startsAt, people: 2 };
  const booking = await call<Booking>(staff, 'booking_create', { data, idempotencyKey });
  const repeated = await call<Booking>(staff, 'booking_create', { data, idempotencyKey });
  if (repeated.id !== booking.id) throw new Error(`the repeated call made another booking, ${repeated.id}`);
  say(`booking_create makes booking ${booking.id}. The call repeated with its idempotency key gets the same booking.`);

  const { status } = await call<Booking>(staff, 'booking_update', { where: { id: booking.id }, data: { status: 'CONFIRMED' } });
  say(`booking_update makes it ${status}.`);

  const uri = `${name}://booking/${booking.id}`;
  say(`The resource ${uri} is ${await read(staff, uri)}`);

  const updated = new Promise<string>((resolve, reject) => {
    setTimeout(reject, 10_000, new Error(`no notification about ${uri} within ten seconds`)).unref();
    staff.setNotificationHandler('notifications/resources/updated', ({ params }) => resolve(params.uri));
  });
  await staff.subscribeResource({ uri });
  const { client: ownClient } = await connect('demo-ada');
  await call(ownClient, 'booking_update', { where: { id: booking.id }, data: { people: 4 } });
  await ownClient.close();
  say(`Ada has changed her booking in a session of her own. This session is told that ${await updated} has changed.`);
  say(`Now it is ${await read(staff, uri)}`);

  staff.setRequestHandler('elicitation/create', ({ params }) => {
    say(`The server asks: ${params.message} The answer is yes.`);
    return { action: 'accept', content: { confirm: true } };
  });
  await call(staff, 'booking_delete', { where: { id: booking.id } });
  const { count } = await call<{ count: number }>(staff, 'booking_count', { where: { id: booking.id } });
  if (count !== 0) throw new Error(`booking ${booking.id} is still there`);
  say(`booking_delete has cancelled booking ${booking.id}: it is gone.`);

  if (servedBy.size > 0) say(`These processes have answered: ${[...servedBy].join(', ')}. The session was the same in all of them.`);
  await transport.terminateSession();
  await staff.close();
}

/** A client that is signed in with a demo token. */
async function connect(token: string): Promise<{ client: Client; transport: StreamableHTTPClientTransport }> {
  const client = new Client({ name: 'example-agent', version: '1.0.0' }, { capabilities: { elicitation: { form: {} } } });
  const transport = new StreamableHTTPClientTransport(endpoint, {
    requestInit: { headers: { Authorization: `Bearer ${token}` } },
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      const process = response.headers.get('X-Served-By');
      if (process !== null) servedBy.add(process);
      return response;
    },
  });
  await client.connect(transport);
  return { client, transport };
}

/** The structured result of a tool. @throws {Error} The tool has failed; the message is what it says. */
async function call<Result>(client: Client, name: string, args: Record<string, unknown>): Promise<Result> {
  const { isError, content, structuredContent } = await client.callTool({ name, arguments: args });
  if (isError) throw new Error(`${name}: ${content.map(block => (block.type === 'text' ? block.text : block.type)).join(' ')}`);
  return structuredContent as Result;
}

async function read(client: Client, uri: string): Promise<string> {
  const { contents } = await client.readResource({ uri });
  return contents.map(content => ('text' in content ? content.text : content.uri)).join('\n');
}

/** The day of the week with the fewest bookings, such as `2027-03-02`. A day without a booking has no group. */
function quietestDay(groups: readonly { startsAt: string; _count: number }[]): string {
  const counts = new Map(groups.map(group => [group.startsAt.slice(0, 10), group._count]));
  const days = Array.from({ length: 7 }, (_, index) => `2027-03-0${index + 1}`);
  return days.reduce((best, day) => ((counts.get(day) ?? 0) < (counts.get(best) ?? 0) ? day : best));
}

/** The first hour of this day that nobody has booked. */
function freeTime(day: string, bookings: readonly Booking[]): string {
  const taken = new Set(bookings.map(booking => Date.parse(booking.startsAt)));
  const times = hours.map(hour => `${day}T${hour}:00:00.000Z`);
  return times.find(time => !taken.has(Date.parse(time))) ?? `${day}T22:00:00.000Z`;
}

function say(text: string): void {
  step += 1;
  console.log(`${step}. ${text}`);
}
