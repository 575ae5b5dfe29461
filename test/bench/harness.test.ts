import { describe, expect, it } from 'vitest';
import { assertSameBytes, assertSameContent } from './answers.ts';
import { chartOf } from './chart.ts';
import { choose } from './choose.ts';
import { Closing } from './closing.ts';
import { parseOptions } from './options.ts';
import { describeResult, describeTargets } from './report.ts';
import { lossesOf, resultOf, tally } from './results.ts';
import { ratiosOf, spreadOf } from './statistics.ts';
import type { Lane, Workload } from './workloads.ts';
import { workloads } from './workloads.ts';

const lane = (contender: Lane['contender']): Lane => ({ name: contender, contender, setup: { app: 'tools' }, revision: '2025-11-25' });
const workload: Workload = {
  name: 'echo',
  title: 'echo <of> a text',
  kind: 'throughput',
  request: { method: 'ping', params: {} },
  lanes: [lane('koa'), lane('koa-mcp')],
  targets: [
    { of: 'koa-mcp', against: 'koa', atLeast: 0.85 },
    { of: 'koa-mcp', against: 'koa', atMost: 0.5 },
    { of: 'koa-mcp', against: 'sdk-v2', atLeast: 6 },
  ],
};
const samples = new Map([
  ['koa', [100, 50, 200].map(figure => ({ figure, cpuMicros: 8 }))],
  ['koa-mcp', [90, 45, 160].map(figure => ({ figure, cpuMicros: 10 }))],
]);
const result = resultOf(workload, samples);

describe('the command line', () => {
  it('has nine rounds by default, and takes what is said', () => {
    expect(parseOptions([])).toMatchObject({ rounds: 9, roundMs: 2000, warmUpMs: 3000, connections: 16, only: [] });
    const said = parseOptions(['--rounds', '5', '--only', 'echo,list', '--only', 'memory']);
    expect(said).toMatchObject({ rounds: 5, only: ['echo', 'list', 'memory'] });
  });

  it('refuses what it does not know, and what is no number', () => {
    expect(() => parseOptions(['--fast'])).toThrow(TypeError);
    for (const value of ['0', '1.5', 'many']) expect(() => parseOptions(['--rounds', value])).toThrow('--rounds is a whole number');
  });
});

describe('the choice of workloads', () => {
  it('is by name or its beginning, and says which name is unknown', () => {
    const { workloads: chosen } = choose(workloads, { only: ['echo'] }, true);
    expect(chosen.map(({ name }) => name)).toEqual(['echo', 'echo-2026']);
    expect(() => choose(workloads, { only: ['nope'] }, true)).toThrow('--only nope');
  });

  it('leaves out what needs PostgreSQL where there is none, and names it', () => {
    const { workloads: chosen, leftOut } = choose(workloads, { only: [] }, false);
    expect(chosen.flatMap(({ lanes }) => lanes).filter(({ database }) => database?.provider === 'postgresql')).toEqual([]);
    const onPostgres = ['find-unique', 'find-many', 'aggregate', 'group-by', 'initialize', 'sessions', 'live'].map(
      name => `${name}-postgresql`,
    );
    expect(leftOut.map(text => text.split(' ')[0])).toEqual([
      ...onPostgres,
      'look-up',
      'crossing',
      'publish',
      'changed-list',
      'resource-updated',
      'fan-out',
      'idle-streams',
    ]);
    expect(chosen.map(({ name }) => name)).toContain('sessions-sqlite');
  });
});

describe('the guard', () => {
  const withCpu = (cpuMicros: number) => resultOf(workload, new Map([...samples, ['koa-mcp', [{ figure: 10, cpuMicros }]]]));

  it('names what costs clearly more processor time than bare Koa, and nothing else', () => {
    expect(lossesOf([result, withCpu(13)])).toEqual([]);
    expect(lossesOf([withCpu(14)])).toEqual(['echo: koa-mcp / koa by processor time is 0.57, below 0.59']);
  });
});

describe('the statistics', () => {
  it('give the median and the middle half', () => {
    expect(spreadOf([5, 1, 4, 2, 3])).toEqual({ median: 3, low: 2, high: 4 });
    expect(spreadOf([1, 2])).toEqual({ median: 1.5, low: 1.25, high: 1.75 });
  });

  it('compare what was measured in the same round', () => {
    expect(ratiosOf([90, 45, 160], [100, 50, 200])).toEqual([0.9, 0.9, 0.8]);
  });
});

describe('the report', () => {
  it('holds the median of the ratios against each target, and counts those that were measured', () => {
    expect(result.targets.map(({ ratio, met }) => [ratio.median, met])).toEqual([
      [0.9, true],
      [0.9, false],
    ]);
    expect(result.targets[0]?.cpuRatio).toBe(0.8);
    expect(tally([result])).toEqual({ measured: 2, met: 1 });
  });

  it('says figures, spread and targets', () => {
    expect(describeResult(result)).toContain('koa-mcp         90 calls/s  (67.5 to 125)  10 µs of CPU a call');
    expect(describeResult(result)).toContain('koa-mcp / koa: 0.90 (0.85 to 0.90, by CPU 0.80), at least 0.85: met');
    expect(describeTargets([result])).toMatch(/at most 0\.5 +0\.90 +0\.85 to 0\.90 +not met/);
  });

  it('draws a bar for each contender, as a part of bare Koa', () => {
    const svg = chartOf([result], 'Node & machine');
    expect(svg.match(/<rect/g)).toHaveLength(2);
    expect(svg).toContain('0.90 (90/s)');
    expect(svg).toContain('echo &lt;of&gt; a text');
    expect(svg).toContain('Node &amp; machine');
  });
});

describe('the check of answers', () => {
  const json = (body: string) => ({ headers: { 'content-type': 'application/json' }, body });
  const one = json('{"result":{"content":[1],"_meta":{}}}');

  it('fails where a byte or a header differs', () => {
    expect(() => assertSameBytes('koa', one, one)).not.toThrow();
    expect(() => assertSameBytes('koa', one, json(`${one.body} `))).toThrow('koa answers something else');
    expect(() => assertSameBytes('koa', one, { ...one, headers: {} })).toThrow('koa answers something else');
  });

  it('fails where the content differs, whether it comes as JSON or in a stream', () => {
    const stream = { headers: { 'content-type': 'text/event-stream' }, body: 'id: 1\ndata: \n\ndata: {"result":{"content":[1]}}\n\n' };
    expect(() => assertSameContent('sdk', one, stream)).not.toThrow();
    expect(() => assertSameContent('sdk', one, json('{"result":{"content":[2]}}'))).toThrow('sdk answers something else');
  });
});

describe('closing', () => {
  it('closes the last one first, and at once what comes too late', async () => {
    const closed: string[] = [];
    const resource = (name: string) => ({ [Symbol.asyncDispose]: async () => void closed.push(name) });
    const closing = new Closing();
    closing.use(resource('first'));
    closing.use(resource('second'));
    await closing[Symbol.asyncDispose]();
    expect(() => closing.use(resource('late'))).toThrow('interrupted');
    await closing[Symbol.asyncDispose]();
    expect(closed).toEqual(['second', 'first', 'late']);
  });
});
