import path from 'node:path';
import { checkBus, listenForDoctor } from './bus-check.ts';
import type { Command } from './command-line.ts';
import { checkDatabase } from './database-check.ts';
import type { Endpoint } from './endpoint-module.ts';
import { loadEndpoints } from './endpoint-module.ts';
import type { Finding } from './finding.ts';
import { toFindings } from './finding.ts';
import { checkPackages } from './package-check.ts';
import { patiently } from './patience.ts';
import { checkSchema } from './schema-check.ts';

/** `koa-mcp doctor`. */
export const doctorCommand: Command = {
  name: 'doctor',
  operands: 'MODULE',
  counts: [1, 1],
  summary: 'Checks whether an endpoint can work: versions, Prisma schema and client, tables, migrations, clock, bus, proxy.',
  options: {
    schema: { value: 'PATH', help: 'schema file or folder (default: where your Prisma finds it)' },
    json: { help: 'the findings as JSON: an array of { check, status, found, remedy }' },
  },
  notes: `MODULE is a file that exports what mcp() returns, or the Koa app that uses it. It must not listen. doctor queries its database and writes nothing.
It ends with 0, or with 1 if there is a problem.`,
  failure: 1,
  async run({ cwd, operands: [module = ''], value, has }) {
    if (listenForDoctor.isAsked()) return listenForDoctor.run(cwd, module);
    const findings = await examine({ cwd, module, schema: value('schema') });
    const code = findings.some(({ status }) => status === 'problem') ? 1 : 0;
    return { text: has('json') ? `${JSON.stringify(findings, undefined, 2)}\n` : toText(findings), code };
  },
};

interface Examined {
  readonly cwd: string;
  readonly module: string;
  readonly schema: string | undefined;
}

async function examine({ cwd, module, schema }: Examined): Promise<Finding[]> {
  const packages = await checkPackages(path.dirname(path.resolve(cwd, module)));
  const loaded = await patiently(
    `loading ${module}`,
    loadEndpoints(cwd, module).then(
      endpoints => ({ endpoints, finding: found(endpoints) }),
      (error: unknown) => ({ endpoints: [], finding: notLoaded(error) }),
    ),
  );
  const { endpoints, finding } = loaded;
  const usesPrisma = endpoints.length === 0 || endpoints.some(({ parts }) => parts?.prisma !== undefined);
  const {
    findings: ofSchema,
    provider,
    migrations,
  } = usesPrisma ? await checkSchema(cwd, schema) : { findings: [], provider: undefined, migrations: undefined };
  const ofEndpoints: Finding[] = [];
  for (const [index, endpoint] of endpoints.entries()) {
    const name = endpoints.length === 1 ? undefined : endpoint.report().name;
    const own = [
      ...(await patiently('asking the database', checkDatabase(endpoint, { provider, migrations }))),
      await patiently('waiting for the bus', checkBus(endpoint, { index, cwd, module })),
      ...checkProxy(endpoint),
    ];
    ofEndpoints.push(...own.map(each => (name === undefined ? each : { ...each, check: `${each.check} of ${name}` })));
  }
  return [...packages, finding, ...ofSchema, ...ofEndpoints];
}

function found(endpoints: readonly Endpoint[]): Finding {
  const old = endpoints.find(({ parts }) => parts === undefined);
  if (old !== undefined) {
    return {
      check: 'endpoint',
      status: 'problem',
      found: `${old.report().name} is of a koa-mcp that is older than this command`,
      remedy: 'Update koa-mcp in the app: npm install koa-mcp@latest',
    };
  }
  return {
    check: 'endpoint',
    status: 'ok',
    found: endpoints.map(endpoint => `${endpoint.report().name} at ${endpoint.report().path}`).join(', '),
  };
}

function notLoaded(error: unknown): Finding {
  const message = error instanceof Error ? error.message : String(error);
  // Node's stack follows the first lines.
  const [text = message] = message.split(/\n\s+at /);
  return {
    check: 'endpoint',
    status: 'problem',
    found: text,
    remedy: 'Mend the module. The database, the bus and the proxy are not checked without it',
  };
}

/** Whether the app trusts the headers of a proxy. Only the Koa app knows; a module may export the endpoint alone. */
function checkProxy({ app }: Endpoint): Finding[] {
  if (typeof app?.proxy !== 'boolean') return [];
  return toFindings('proxy', [
    app.proxy
      ? 'app.proxy is on: the app believes X-Forwarded-For, -Host and -Proto, so only a proxy that sets them may reach it'
      : 'app.proxy is off: the app ignores X-Forwarded headers; set app.proxy = true if a proxy stands in front of it',
  ]);
}

const statuses = { ok: 'ok', warning: 'warning', problem: 'PROBLEM' } as const;

function toText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, status, found: text, remedy }, index) => [
    `${statuses[status].padEnd(7)}  ${check.padEnd(width)}  ${text}`,
    // Once for findings that follow each other.
    ...(remedy === undefined || remedy === findings[index + 1]?.remedy ? [] : [`${' '.repeat(width + 11)}${remedy}`]),
  ]);
  const problems = findings.filter(({ status }) => status === 'problem').length;
  return `${lines.join('\n')}\n\n${problems === 0 ? 'no problems' : `${problems} ${problems === 1 ? 'problem' : 'problems'}`}\n`;
}
