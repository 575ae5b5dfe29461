import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { on, once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { compile } from '../support/compile.ts';
import { describePostgres, postgresAvailable, requirePostgres } from '../support/database.ts';
import { openPostgres } from './postgres-server.ts';
import type { Answer, Kind, Order } from './process.ts';
import { openProxy } from './proxy.ts';
import { redisAvailable, redisUrl, requireRedis } from './redis-server.ts';

const started = new Set<ChildProcess>();
afterEach(async () => {
  for (const child of started) await kill(child);
});

const kinds = {
  postgres: {
    isAvailable: postgresAvailable(),
    require: requirePostgres,
    open: openPostgres,
  },
  redis: {
    isAvailable: redisAvailable(),
    require: requireRedis,
    open: async () => ({ url: redisUrl, close: async () => {} }),
  },
} as const;

describe.each(['postgres', 'redis'] as const)('processes with a bus over %s', kind => {
  const { isAvailable, require, open } = kinds[kind];
  if (!isAvailable) {
    it(`reaches ${kind}`, test => require(test));
    return;
  }

  it('wake each other, go on when one of them is killed, and are joined by new ones', async () => {
    const server = await open();
    const args = [kind, server.url, `test-${randomUUID()}`] as const;
    const [a, b, c] = await Promise.all([start(...args), start(...args), start(...args)]);
    const topic = randomUUID();
    for (const process of [a, b, c]) process.order({ subscribe: topic });
    await Promise.all([a, b, c].map(process => process.untilReady()));
    a.order({ publish: topic });
    await Promise.all([a, b, c].map(process => process.woken(topic)));

    await kill(b.child);
    const second = randomUUID();
    for (const process of [a, c]) process.order({ subscribe: second });
    c.order({ publish: second });
    await Promise.all([a, c].map(process => process.woken(second)));

    const d = await start(...args);
    const third = randomUUID();
    d.order({ subscribe: third });
    await d.untilReady();
    a.order({ publish: third });
    await d.woken(third);
    expect(await Promise.all([a, c, d].map(process => process.exit('close')))).toEqual([0, 0, 0]);
    await server.close();
  });

  it('exit when the bus is closed while its server is away', async () => {
    const nobody = await openProxy({ host: '127.0.0.1', port: 1 });
    nobody.cut();
    const process = await start(kind, `${kind === 'redis' ? 'redis' : 'postgresql'}://127.0.0.1:${nobody.port}`, 'test');
    // The bus connects when it is used first.
    process.order({ subscribe: 'x' });
    await nobody.refusal();
    await nobody.refusal();
    expect(await process.exit('close')).toBe(0);
    await nobody[Symbol.asyncDispose]();
  });
});

describePostgres('a process with a connection on which PostgreSQL has gone silent', () => {
  it('exits when the bus is closed', async () => {
    const server = await openPostgres();
    const url = new URL(server.url);
    await using proxy = await openProxy({ host: url.hostname, port: Number(url.port || 5432) });
    url.host = `127.0.0.1:${proxy.port}`;
    const process = await start('postgres', url.href, 'test');
    await process.untilReady();
    proxy.stall();
    expect(await process.exit('close')).toBe(0);
    await proxy[Symbol.asyncDispose]();
    await server.close();
  });
});

describe.each(['memory', 'polling'] as const)('a process with a %s bus', kind => {
  it('exits without closing it, though topics are subscribed', async () => {
    const process = await start(kind);
    process.order({ subscribe: 'x' });
    process.order({ publish: 'x' });
    await process.woken('x');
    expect(await process.exit('leave')).toBe(0);
  });
});

/** A child process under orders. */
interface Process {
  readonly child: ChildProcess;
  order(order: Order): void;
  untilReady(): Promise<void>;
  /** Resolves when it has been woken for the topic, now or before. */
  woken(topic: string): Promise<void>;
  /** Its exit code, after its last order. */
  exit(order: 'close' | 'leave'): Promise<number>;
}

async function start(kind: Kind, url = '', channel = ''): Promise<Process> {
  const child = fork(await compile(new URL('process.ts', import.meta.url)), [kind, url, channel]);
  started.add(child);
  const answers: Answer[] = [];
  child.on('message', answer => answers.push(answer as Answer));
  const until = async (wanted: (answer: Answer) => boolean) => {
    const messages = on(child, 'message');
    while (!answers.some(wanted)) await messages.next();
    await messages.return?.();
  };
  const order = (order: Order) => void child.send(order);
  await until(answer => answer === 'started');
  return {
    child,
    order,
    async untilReady() {
      const messages = on(child, 'message');
      order('ready?');
      for await (const [answer] of messages) {
        if (typeof answer === 'object' && answer.ready === true) break;
        if (typeof answer === 'object' && answer.ready === false) order('ready?');
      }
    },
    woken: topic => until(answer => typeof answer === 'object' && 'woken' in answer && answer.woken === topic),
    async exit(last) {
      const exited = once(child, 'exit');
      order(last);
      const [code] = await exited;
      return code;
    },
  };
}

async function kill(child: ChildProcess): Promise<void> {
  started.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
