import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { openDatabase } from '../../example-app/database.ts';
import { describeDatabases, emptyDatabase } from '../support/database.ts';

describeDatabases('the migrations of the example', provider => {
  it('make the tables of prisma/mcp.prisma as the tests have them', async () => {
    const folder = new URL(`../../example-app/prisma/migrations/${provider}/`, import.meta.url);
    const names = (await readdir(folder)).filter(name => name !== 'migration_lock.toml');
    const scripts = await Promise.all(names.sort().map(name => readFile(new URL(`${name}/migration.sql`, folder), 'utf8')));
    const statements = statementsOfMcp(scripts.join('\n'));
    expect(statements).toEqual(statementsOfMcp(await readFile(new URL(`../../prisma/test/${provider}.sql`, import.meta.url), 'utf8')));
    expect(statements.filter(statement => statement.startsWith('CREATE TABLE')).length).toBe(8);
  });

  it('end the subscriptions with their session and leave its events, whose ids are never given twice', async () => {
    await using place = await emptyDatabase(provider);
    const { prisma } = await openDatabase(place.url);
    const at = new Date(0);
    const session = { id: 'mcp_1', transport: 'sse', revision: '', clientInfo: {}, capabilities: {}, createdAt: at, lastSeenAt: at };
    await prisma.mcpSession.create({ data: { ...session, expiresAt: at } });
    await prisma.mcpSubscription.create({ data: { sessionId: 'mcp_1', uriHash: 'hash', uri: 'a://1' } });
    const append = async (key: string) => {
      const { id } = await prisma.mcpEvent.create({ data: { key, stream: 's', sessionId: 'mcp_1', data: '{}', expiresAt: at } });
      return Number(id);
    };
    const first = await append('a');
    await prisma.mcpSession.deleteMany();
    expect([await prisma.mcpSubscription.count(), await prisma.mcpEvent.count()]).toEqual([0, 1]);
    await prisma.mcpEvent.deleteMany();
    expect(await append('a')).toBe(first + 1);
    await expect(append('a')).rejects.toMatchObject({ code: 'P2002' });
    await prisma.$disconnect();
  });
});

/**
 * The statements about the package's own tables, in the order of their text. A column that a later migration adds stands in its table, and the
 * order of columns does not count.
 */
function statementsOfMcp(sql: string): string[] {
  const statements = sql.split(/;\s*$/m).map(statement => statement.replaceAll(/^--.*$/gm, '').trim());
  const added: { table: string; column: string }[] = [];
  const others = statements.filter(statement => {
    const [, table, column] = /^ALTER TABLE "(Mcp\w+)" ADD COLUMN +(.+)$/.exec(statement) ?? [];
    if (table !== undefined && column !== undefined) added.push({ table, column });
    return column === undefined && /"Mcp\w+"/.test(statement);
  });
  return others
    .map(statement => {
      const [, table, columns = ''] = /^CREATE TABLE "(Mcp\w+)" \(\n(.+)\n\)$/s.exec(statement) ?? [];
      if (table === undefined) return statement;
      const lines = columns.split(/,?\n/).map(line => line.trim());
      const late = added.filter(({ table: its }) => its === table).map(({ column }) => column);
      return `CREATE TABLE ${table}: ${[...lines, ...late]
        .filter(line => line !== '')
        .toSorted()
        .join(', ')}`;
    })
    .toSorted();
}
