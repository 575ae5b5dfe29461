import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { CallToolResult, ToolDefinition } from '../../src/protocol/definitions.ts';
import type { JsonSchema } from '../../src/protocol/json-schema.ts';
import { toJsonSchema } from '../../src/protocol/json-schema.ts';
import { pickFields, projectTool, projectToolResult } from '../../src/protocol/project.ts';
import type { Revision } from '../../src/protocol/revisions.ts';
import { findRevision, revisions } from '../../src/protocol/revisions.ts';
import { assertType } from '../support/revision-schemas.ts';

const wrapping = findRevision('2025-11-25') as Revision;
const tool = (outputSchema?: JsonSchema): ToolDefinition => ({
  name: 't',
  description: 'd',
  inputSchema: { type: 'object' },
  ...(outputSchema !== undefined && { outputSchema }),
  call: () => Promise.resolve({ content: [] }),
});

describe('an output schema whose root is no object', () => {
  const tree: z.ZodType = z.array(z.lazy(() => tree));
  const node: z.ZodType = z.object({ name: z.string(), children: z.array(z.lazy(() => node)) });
  it.each<[string, JsonSchema, unknown, unknown]>([
    ['a list', toJsonSchema(z.array(z.int()), 'output', 't'), [1], ['1']],
    ['text', toJsonSchema(z.string(), 'output', 't'), 'x', 5],
    ['a list of lists of itself', toJsonSchema(tree, 'output', 't'), [[], [[]]], [[1]]],
    [
      'a list of trees',
      toJsonSchema(z.array(node), 'output', 't'),
      [{ name: 'a', children: [{ name: 'b', children: [] }] }],
      [{ name: 'a', children: [{}] }],
    ],
    ['definitions', { type: 'array', items: { $ref: '#/$defs/n' }, $defs: { n: { type: 'number' } } }, [1], ['x']],
    ['either of two', { anyOf: [{ type: 'string' }, { type: 'object' }] }, 'x', 5],
  ])('that is %s still says the same of what is wrapped', (_, schema, good, bad) => {
    const { outputSchema } = projectTool(tool(schema), wrapping);
    const validate = new Ajv2020({ strict: false }).compile(outputSchema as object);
    expect([validate({ result: good }), validate({ result: bad }), validate(good), validate({})]).toEqual([true, false, false, false]);
    expect(projectToolResult({ content: [], structuredContent: good }, tool(schema), wrapping).structuredContent).toEqual({ result: good });
  });

  it('is wrapped even where the value happens to be an object', () => {
    const schema = { anyOf: [{ type: 'string' }, { type: 'object' }] };
    expect(projectToolResult({ content: [], structuredContent: { a: 1 } }, tool(schema), wrapping).structuredContent).toEqual({
      result: { a: 1 },
    });
  });

  it('changes nothing of the definition itself', () => {
    const schema = Object.freeze({
      type: 'array',
      items: Object.freeze({ $ref: '#/$defs/n' }),
      $defs: Object.freeze({ n: Object.freeze({ type: 'number' }) }),
    });
    const before = JSON.stringify(schema);
    projectTool(tool(schema), wrapping);
    expect(JSON.stringify(schema)).toBe(before);
  });
});

describe.each(revisions.map(row => [row.id, row] as const))('a tool result in %s', (id, row) => {
  const meta = { a: 1 };
  const icons = [{ src: 'data:image/png;base64,AAAA' }];
  const annotations = { audience: ['user' as const], priority: 0.5, lastModified: '2026-01-01T00:00:00Z' };
  const result: CallToolResult = {
    content: [
      { type: 'text', text: 't', annotations, _meta: meta },
      { type: 'image', data: 'AAAA', mimeType: 'image/png', annotations, _meta: meta },
      { type: 'audio', data: 'AAAA', mimeType: 'audio/wav', annotations, _meta: meta },
      {
        type: 'resource_link',
        uri: 'x:y',
        name: 'n',
        title: 't',
        description: 'd',
        mimeType: 'm',
        size: 1,
        icons,
        annotations,
        _meta: meta,
      },
      { type: 'resource', resource: { uri: 'x:y', mimeType: 'm', blob: 'AAAA', _meta: meta }, annotations, _meta: meta },
    ],
    structuredContent: [1],
    isError: true,
    _meta: meta,
  };

  it('is one that the specification knows, and says that it is an error', () => {
    const projected = projectToolResult(result, tool(), row);
    assertType(id, 'CallToolResult', { ...projected, ...(row.resultType && { resultType: 'complete' }) });
    expect([projected.isError, projected._meta, projected.content.length]).toEqual([true, meta, 5]);
  });

  it('changes nothing of what the handler returned', () => {
    const before = JSON.stringify(result);
    projectToolResult(result, tool(), row);
    expect(JSON.stringify(result)).toBe(before);
  });
});

describe('pickFields', () => {
  it('takes what is there, in the order of the fields, falsy values too', () => {
    const picked = pickFields({ c: 0, b: '', a: null, d: undefined, e: 1 }, ['a', 'b', 'c', 'd', 'f']);
    expect(JSON.stringify(picked)).toBe('{"a":null,"b":"","c":0}');
  });
});
