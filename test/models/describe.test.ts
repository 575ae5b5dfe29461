import { describe, expect, it } from 'vitest';
import { datamodel as postgresql } from '../../generated/test/postgresql/mcp/datamodel.ts';
import { datamodel as sqlite } from '../../generated/test/sqlite/mcp/datamodel.ts';
import type { Datamodel } from '../../src/models/datamodel/datamodel.ts';
import type { Exposure } from '../../src/models/datamodel/graph.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import type { ExposureLike } from '../../src/models/exposure.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import {
  describeColumns,
  describeFormats,
  describeIncluded,
  describeKeys,
  describeModel,
  describeRelations,
} from '../../src/models/features/describe.ts';

function exposed(models: Record<string, ExposureLike>, datamodel: Datamodel = sqlite): Exposure {
  return resolveExposures(models, modelGraph(datamodel))[0] ?? expect.fail('no exposure');
}

describe('describeModel', () => {
  it('names columns as a Prisma schema does, then the relations to filter by and those in rows', () => {
    const booking = exposed({
      booking: { include: { client: { select: { name: true } }, room: true } },
      client: {},
      room: { omit: { code: true } },
    });
    expect(describeModel(booking)).toBe(
      'Columns: id Int, clientId Int, roomId String?, startsAt DateTime (Start of the slot, UTC), status PENDING|CONFIRMED|CANCELLED, ' +
        'price Decimal (In euros), meta Json?, internalNote String? (For staff only). Relations: client, room?. Rows include client (name), room.',
    );
  });

  it('names no column that is hidden, and no relation that callers cannot filter by', () => {
    const text = describeModel(exposed({ client: { select: { id: true, name: true } }, booking: { operations: ['create'] } }));
    expect(text).toBe('Columns: id Int, name String.');
  });
});

describe('describeColumns', () => {
  it('says what a column may hold: lists, null, UUIDs, lengths and digits', () => {
    const native = exposed({ native: {} }, postgresql);
    expect(describeColumns(native.columns.values())).toBe(
      'id UUID, other UUID?, code String(4)?, fixed String(2)?, address String?, bits String?, flags String?, markup String?, small Int?, oid Int?, ' +
        'real Float?, exact Decimal(5,2)?, cash Decimal?, day Date?, time Time?, zoned DateTime?, document Json?, ids UUID[]',
    );
    const { columns } = exposed({ listing: {} }, postgresql);
    expect(describeColumns(columns.values())).toMatch(/^id Int, name String, labels String\[\], sizes Int\[\], moods \(\w+(\|\w+)+\)\[\]$/);
  });

  it('keeps to its limit: first without comments, then without types, at last without the last columns', () => {
    const { columns } = exposed({ booking: {}, client: {} });
    const texts = [150, 100, 50, 6].map(maxChars => describeColumns(columns.values(), { maxChars }));
    expect(texts).toEqual([
      'id Int, clientId Int, roomId String?, startsAt DateTime, status PENDING|CONFIRMED|CANCELLED, price Decimal, meta Json?, internalNote String?',
      'id, clientId, roomId, startsAt, status, price, meta, internalNote',
      'id, clientId, roomId, startsAt, status, … 3 more',
      'id, … 7 more',
    ]);
  });

  it('names all values of an enum up to 24, and the first values of a longer one', () => {
    const text = (count: number, maxChars?: number) => {
      const values = Array.from({ length: count }, (_, index) => `V${index}`);
      const long = { ...sqlite, enums: { BookingStatus: { name: 'BookingStatus', values } } };
      const { columns } = exposed({ booking: { operations: ['count'], select: { status: true } } }, long);
      return describeColumns(columns.values(), maxChars === undefined ? {} : { maxChars });
    };
    expect(text(24)).toMatch(/^status V0\|V1\|.*\|V23$/);
    expect(text(24, 50)).toBe('status V0|V1|V2|V3|V4|V5|V6|V7|… 16 more');
    expect(text(25)).toBe('status V0|V1|V2|V3|V4|V5|V6|V7|… 17 more');
  });
});

describe('describeRelations', () => {
  it('names a model, and a foreign key, that the name of the relation does not tell', () => {
    const renamed = JSON.parse(JSON.stringify(sqlite).replaceAll('referredById', 'sponsorId')) as Datamodel;
    const texts = [sqlite, renamed].map(datamodel => describeRelations(exposed({ client: {}, booking: {}, tag: {} }, datamodel)));
    expect(texts).toEqual([
      'referredBy Client?, referrals Client[], bookings[]',
      'referredBy Client? (sponsorId), referrals Client[], bookings[]',
    ]);
  });
});

describe('describeIncluded', () => {
  it('names counts and nested relations', () => {
    const client = exposed({
      client: { include: { bookings: { select: { id: true }, include: { room: true } }, _count: { select: { tags: true } } } },
      room: {},
    });
    expect(describeIncluded(client)).toBe('bookings (id, room), _count (tags)');
  });
});

describe('describeKeys and describeFormats', () => {
  it('name compound keys with their columns, and how values are written', () => {
    const membership = exposed({ membership: {} });
    expect(describeKeys(membership)).toBe('clientId_roomId {clientId, roomId}, roomSlot {roomId, slot}, level_slot {level, slot}');
    expect(describeFormats(exposed({ auditLog: {} }).columns.values())).toBe('BigInt is a string, Bytes is base64');
    expect(describeFormats(exposed({ tag: {} }).columns.values())).toBe('');
  });
});
