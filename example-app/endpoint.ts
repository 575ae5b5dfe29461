import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaClient } from './generated/sqlite/client/client.ts';
import { datamodel } from './generated/sqlite/mcp/datamodel.ts';
import { reservations } from './mcp.ts';

/** The endpoint for `koa-mcp check`, which only reads its declaration: nothing listens, and the client never connects. */
export const endpoint = reservations(new PrismaClient({ adapter: new PrismaLibSql({ url: 'file::memory:' }) }), datamodel);
