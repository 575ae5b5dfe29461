import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { errorTable } from '../../src/errors.ts';
import type { WhereLimits } from '../../src/models/arguments/where.ts';
import { resolveWhereLimits } from '../../src/models/arguments/where.ts';
import { operationNames } from '../../src/models/declaration/operations.ts';
import { defaults } from '../../src/options.ts';
import { revisions } from '../../src/protocol/revisions.ts';
import { membersOf } from './declarations.ts';
import { codes, pages, readme, root, table } from './readme.ts';

describe("README's tables of options", () => {
  const cases = [
    ['option', 'McpOptions', 'src/options.ts', 'what it is'],
    ['`models.<key>`', 'DeclaredExposure', 'src/models/declaration/declaration.ts', 'what it is'],
    ['`sessions`', 'SessionOptions', 'src/options.ts', 'what it is'],
    ['`limits`', 'Limits', 'src/options.ts', 'what it limits'],
    ['`auth`', 'AuthOptions', 'src/options.ts', 'what it is'],
    ['`jwtVerifier`', 'JwtVerifierOptions', 'src/jwt-verifier.ts', 'what it is'],
  ] as const;

  it.each(cases)('%s names the members of %s, each once', (title, type, file, last) => {
    const named = table(title, 'default', last).flatMap(([cell]) => codes(cell));
    expect(named.toSorted()).toEqual([...membersOf(file, type).keys()].toSorted());
  });

  it.each(cases)('%s says of the members of %s which are required, and the default of every number', (title, type, file, last) => {
    const members = membersOf(file, type);
    const rows = table(title, 'default', last).flatMap(([cells, value = '']) => codes(cells).map(cell => [cell, value] as const));
    for (const [cell, value] of rows) {
      const member = members.get(cell);
      expect(value === 'required', `${cell}`).toBe(member?.isRequired);
      const documented = /^\d+/.exec(member?.default ?? '')?.[0];
      if (documented !== undefined) expect(codes(value), `${cell}`).toEqual([documented]);
      expect(value, `${cell}`).not.toBe('');
    }
  });

  it.each([
    ['`sessions`', 'what it is', defaults.sessions],
    ['`limits`', 'what it limits', defaults.limits],
  ] as const)('%s has the defaults that hold', (title, last, values) => {
    const numbers = table(title, 'default', last).flatMap(([cell, value]) => {
      const number = codes(value)[0] ?? '';
      return /^\d+$/.test(number) ? [[codes(cell)[0], Number(number)]] : [];
    });
    expect(Object.fromEntries(numbers)).toEqual(values);
  });

  it('names the limits of a `where`, each with its defaults', () => {
    const named = table('`limits.where`', 'default', 'limit').map(([name, value]) => {
      const [onSqlite, elsewhere = onSqlite] = codes(value).map(Number);
      return [codes(name)[0], onSqlite, elsewhere];
    });
    const [onSqlite, elsewhere] = [resolveWhereLimits(undefined, 'sqlite'), resolveWhereLimits(undefined, 'postgresql')];
    expect(named).toEqual(Object.entries(onSqlite).map(([name, value]) => [name, value, elsewhere[name as keyof WhereLimits]]));
  });

  it('has the defaults of version, path and operations', () => {
    const cell = (name: string, title: string) => table(title, 'default', 'what it is').find(([first]) => first === `\`${name}\``)?.[1];
    expect(cell('version', 'option')).toBe(`\`'${defaults.version}'\``);
    expect(cell('path', 'option')).toBe(`\`'${defaults.path}'\``);
    expect(cell('operations', '`models.<key>`')).toBe(
      `\`${membersOf('src/models/declaration/declaration.ts', 'DeclaredExposure').get('operations')?.default}\``,
    );
    expect(cell('take', '`models.<key>`')).toBe(
      `\`${membersOf('src/models/declaration/declaration.ts', 'DeclaredExposure').get('take')?.default}\``,
    );
  });

  it('names the keys of own tools, resources and prompts, each with what it belongs to', () => {
    const named = table('key', 'of', 'what it is').flatMap(([cell, of = '']) =>
      codes(cell).flatMap(key => (of === 'all' ? ['tools', 'resources', 'prompts'] : of.split(', ')).map(kind => `${kind}.${key}`)),
    );
    const declared = (['tools', 'resources', 'prompts'] as const).flatMap(kind => {
      const type = { tools: 'Tool', resources: 'Resource', prompts: 'Prompt' }[kind];
      return [...membersOf(`src/host/${kind}.ts`, type).keys()].map(key => `${kind}.${key}`);
    });
    expect(named.toSorted()).toEqual(declared.toSorted());
  });

  it('names the members of ctx.mcp', () => {
    const named = table('`ctx.mcp`', 'what it does').flatMap(([cell]) => codes(cell).map(code => /^\w+/.exec(code)?.[0]));
    const declared = [...membersOf('src/protocol/definitions.ts', 'McpContext').keys()];
    expect(named.toSorted()).toEqual(declared.toSorted());
  });
});

describe("README's other tables", () => {
  it('the errors are those of the error table, with their codes and both HTTP statuses', () => {
    const named = table('name', 'code', 'HTTP status', 'in 2026-07-28', 'when').map(([name, ...numbers]) => [
      codes(name)[0],
      ...numbers.slice(0, 3).map(Number),
    ]);
    expect(named).toEqual(Object.entries(errorTable).map(([name, row]) => [name, row.code, row.status, row.modernStatus ?? row.status]));
  });

  it('the HTTP statuses are those that the transports answer, and those of the error table', () => {
    const folders = ['src/transport/', 'src/protocol/'];
    const sources = folders.flatMap(folder => readdirSync(root + folder).map(file => readFileSync(root + folder + file, 'utf8')));
    // A ToolError's status stays inside: it only says whether the model may read the message.
    const lines = sources.flatMap(text => text.split('\n')).filter(line => !line.includes('ToolError'));
    const thrown = lines.flatMap(line => [...line.matchAll(/\bstatus: (\d{3})/g)].map(([, status]) => Number(status)));
    const statuses = new Set([...thrown, ...Object.values(errorTable).map(row => row.status)].filter(status => status >= 400));
    expect(table('HTTP status', 'when').map(([status]) => Number(status))).toEqual([...statuses].toSorted());
  });

  it('the protections name options and files that there are', () => {
    const options = 'src/options.ts';
    const places = {
      '': membersOf(options, 'McpOptions'),
      'limits.': membersOf(options, 'Limits'),
      'sessions.': membersOf(options, 'SessionOptions'),
      'models.<key>.': membersOf('src/models/declaration/declaration.ts', 'DeclaredExposure'),
    };
    const known = new Set(Object.entries(places).flatMap(([prefix, members]) => [...members.keys()].map(key => prefix + key)));
    const named = table('protects against', 'how', 'option or file').flatMap(([, , cell]) => codes(cell));
    expect(named.filter(name => !known.has(name) && !(name.startsWith('src/') && existsSync(root + name)))).toEqual([]);
    expect(named.length).toBeGreaterThan(20);
  });

  it('the revisions are those of the revision table, with batches where it has them and a session where its era has them', () => {
    const rows = table('revision', 'transport', 'state');
    expect(rows.map(([id, transport, state]) => [id, transport?.includes('batches'), state])).toEqual(
      revisions.map(({ id, batches, era }) => [id, batches, era === 'legacy' ? 'session' : 'none']),
    );
  });

  it('the operations are those an exposure can offer, with the names of their tools', () => {
    const rows = table('operation', 'tool', 'arguments', 'result', 'also');
    expect(rows.map(([operation, tool]) => [codes(operation)[0], codes(tool)[0]])).toEqual(
      operationNames.map(operation => [operation, `<key>_${operation}`]),
    );
  });
});

describe('README', () => {
  it('has at most 250 lines of at most 160 characters', () => {
    const lines = readme.trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(250);
    expect(lines.filter(line => line.length > 160)).toEqual([]);
  });

  it('links to every page of docs', () => {
    const linked = [...readme.matchAll(/^\| \[[^\]]+\]\((docs\/[\w-]+\.md)\) \|/gm)].map(([, file]) => file);
    expect(linked.toSorted()).toEqual(pages.map(({ file }) => file).filter(file => file !== 'README.md'));
  });
});

describe.each(pages)('$file', ({ file, text }) => {
  it('links only to files and headings that there are', () => {
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link).filter(link => !link.startsWith('http'));
    for (const link of links) {
      const [target = '', anchor] = link.split('#');
      const place = target === '' ? root + file : fileURLToPath(new URL(target, pathToFileURL(root + file)));
      expect([link, existsSync(place)]).toEqual([link, true]);
      if (anchor !== undefined) expect(anchorsOf(readFileSync(place, 'utf8')), link).toContain(anchor);
    }
  });

  it('has no line of text over 160 characters outside tables and code', () => {
    const lines = text.replaceAll(/^```.*?^```$/gms, '').split('\n');
    expect(lines.filter(line => line.length > 160 && !line.startsWith('|'))).toEqual([]);
  });

  it('names no path of a machine', () => {
    expect(text).not.toMatch(/(?:^|[\s`'"(])(?:\/(?:home|root|tmp|work|usr|Users|opt)\/|[A-Z]:\\)/m);
  });
});

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}
