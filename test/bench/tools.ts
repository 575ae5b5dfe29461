import { z } from 'zod';
import type { PrismaClient } from '../../generated/test/sqlite/client/client.ts';
import type { Setup } from './setup.ts';

/** A tool as every contender registers it in its own way. */
export interface BenchTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: z.ZodObject;
  /** Gives a text, or an object that is sent as text and as structured content. */
  readonly run: (args: Record<string, unknown>, help: Help) => unknown;
  /** The resource that is the row of a result. */
  readonly link?: (row: { readonly id: number }) => ResourceLink;
}

interface ResourceLink {
  readonly type: 'resource_link';
  readonly uri: string;
  readonly name: string;
  readonly mimeType: string;
}

/** What a tool may use. */
export interface Help {
  readonly prisma?: PrismaClient | undefined;
  /** Sends a notification, if the contender can. */
  readonly progress: (progress: number, total: number, message: string) => void | Promise<void>;
}

/** A result: its text, and a link to its row. */
export interface ToolResult {
  readonly content: readonly [{ readonly type: 'text'; readonly text: string }, ...ResourceLink[]];
  readonly structuredContent?: object;
}

/** Milliseconds since 1970, with their fractions: the processes of one machine have the same. */
export function wallClock(): number {
  return performance.timeOrigin + performance.now();
}

/** How often the tool `steps` reports its progress. */
export const steps = 10;
/** Rows of a page. */
export const pageRows = 20;

/** The tools of an app, in the order in which they are registered. */
export function toolsOf(app: Setup['app']): BenchTool[] {
  if (app === 'list') return Array.from({ length: 500 }, (_, index) => filler(index));
  if (app === 'models') return models;
  return [...called, ...Array.from({ length: 30 - called.length }, (_, index) => filler(index))];
}

/** What a tool gave, as a result of the protocol. */
export function toResult({ link }: Pick<BenchTool, 'link'>, value: unknown): ToolResult {
  if (typeof value === 'string') return { content: [{ type: 'text', text: value }] };
  const links = link === undefined ? [] : [link(value as { id: number })];
  return { content: [{ type: 'text', text: JSON.stringify(value) }, ...links], structuredContent: value as object };
}

const megabyte = 'All work and no play makes Jack a "dull" boy.\n'.repeat(22_312).slice(0, 1_000_000);

const called: readonly BenchTool[] = [
  {
    name: 'echo',
    description: 'Gives back the text it gets',
    inputSchema: z.object({ text: z.string() }),
    run: ({ text }) => text,
  },
  {
    name: 'clock',
    description: 'Tells the time on the clock of this machine',
    inputSchema: z.object({}),
    run: () => `${wallClock()}`,
  },
  {
    name: 'steps',
    description: 'Reports its progress in steps',
    inputSchema: z.object({}),
    run: async (_, { progress }) => {
      for (let step = 1; step <= steps; step++) await progress(step, steps, `step ${step}`);
      return 'done';
    },
  },
  {
    name: 'megabyte',
    description: 'Gives a text of a million bytes',
    inputSchema: z.object({}),
    run: () => megabyte,
  },
];

/** The columns and the relation that koa-mcp is told to show; the queries below are those it makes of them. */
export const bookingColumns = { id: true, clientId: true, startsAt: true, status: true, price: true, meta: true } as const;
export const bookingOperations = ['findUnique', 'findMany', 'aggregate', 'groupBy'] as const;
export const bookingClient = { id: true, name: true } as const;

const models: BenchTool[] = [
  {
    name: 'booking_findUnique',
    description: 'Reads one Booking by id',
    inputSchema: z.object({ where: z.object({ id: z.int() }) }),
    run: ({ where }, { prisma }) =>
      prisma?.booking.findUnique({ where: where as { id: number }, select: { ...bookingColumns, client: { select: bookingClient } } }),
    link: ({ id }) => ({ type: 'resource_link', uri: `bench://booking/${id}`, name: 'booking', mimeType: 'application/json' }),
  },
  {
    name: 'booking_findMany',
    description: 'Reads the Booking rows of a client',
    inputSchema: z.object({ where: z.object({ clientId: z.int() }) }),
    run: async ({ where }, { prisma }) => {
      const select = { ...bookingColumns, client: { select: bookingClient } };
      // One more than a page, as any list does that tells whether there are more.
      return { rows: await prisma?.booking.findMany({ select, orderBy: [{ id: 'asc' }], take: pageRows + 1, where: where as object }) };
    },
  },
  {
    name: 'booking_aggregate',
    description: 'Aggregates the Booking rows of a client',
    inputSchema: z.object({
      where: z.object({ clientId: z.int() }),
      _count: z.literal(true),
      _sum: z.object({ price: z.literal(true) }),
      _max: z.object({ startsAt: z.literal(true) }),
    }),
    run: ({ where }, { prisma }) =>
      prisma?.booking.aggregate({ where: where as object, _count: true, _sum: { price: true }, _max: { startsAt: true } }),
  },
  {
    name: 'booking_groupBy',
    description: 'Groups the Booking rows of some clients',
    inputSchema: z.object({
      by: z.tuple([z.literal('status')]),
      where: z.object({ clientId: z.object({ lte: z.int() }) }),
      _count: z.literal(true),
      _sum: z.object({ price: z.literal(true) }),
    }),
    run: async ({ where }, { prisma }) => {
      const groups = await prisma?.booking.groupBy({
        where: where as object,
        by: ['status'],
        _count: true,
        _sum: { price: true },
        orderBy: [{ status: 'asc' }],
        take: pageRows + 1,
      });
      return { groups: groups?.map(({ status, _count, _sum }) => ({ status, _count, _sum })) };
    },
  },
];

/** A tool that is only there, as an app has many. */
function filler(index: number): BenchTool {
  return {
    name: `report_${String(index).padStart(3, '0')}`,
    description: `Makes report number ${index} of a client for a period, with the totals of each month`,
    inputSchema: z.object({
      clientId: z.string().describe('Whose report it is'),
      from: z.string().optional().describe('First day, ISO 8601'),
      to: z.string().optional().describe('Last day, ISO 8601'),
      format: z.enum(['text', 'table']).optional(),
    }),
    run: ({ clientId }) => `report ${index} of ${String(clientId)}`,
  };
}
