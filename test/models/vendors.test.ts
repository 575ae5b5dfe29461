import { describe, expect, it } from 'vitest';
import { datamodel as postgresql } from '../../generated/test/postgresql/mcp/datamodel.ts';
import { datamodel as sqlite } from '../../generated/test/sqlite/mcp/datamodel.ts';
import { operationNames } from '../../src/models/declaration/operations.ts';
import { syntheticSchema, syntheticSizes } from '../schemas/synthetic.ts';
import { exposeAll, operationSets } from '../schemas/tokens.ts';
import { complaintsAbout, plainTool, vendorRules } from '../schemas/vendor-rules.ts';

describe('a rule of a vendor', () => {
  it.each(vendorRules.map(rule => [`${rule.vendor}: ${rule.says}`, rule] as const))('refuses something: %s', (_, { breaks, example }) => {
    expect(breaks(example)).toBe(true);
    expect(breaks(plainTool)).toBe(false);
  });
});

describe('the tools of models', () => {
  it.each([
    ['SQLite', sqlite],
    ['PostgreSQL', postgresql],
  ] as const)('pass every rule, with the test models on %s', (_, datamodel) => {
    const { models, ...rest } = datamodel;
    const own = { ...rest, models: Object.fromEntries(Object.entries(models).filter(([name]) => !name.startsWith('Mcp'))) };
    const entry = (key: string) => (key === 'client' ? { data: { passwordHash: 'x' } } : {});
    for (const operations of [operationSets.all, ...operationNames.map(operation => [operation])]) {
      const tools = exposeAll(own, operations, entry);
      expect(tools.length).toBeGreaterThan(0);
      expect(complaintsAbout(tools)).toEqual([]);
    }
  });

  it.each(syntheticSizes)('pass every rule, with a schema of %d models', { timeout: 240_000 }, async models => {
    const { datamodel } = await syntheticSchema({ models });
    const tools = exposeAll(datamodel, operationSets.all);
    expect(tools.length).toBeGreaterThan(models * 12);
    expect(complaintsAbout(tools)).toEqual([]);
  });

  it('pass every rule in the style compact', { timeout: 240_000 }, async () => {
    const { datamodel } = await syntheticSchema({ models: 40 });
    const tools = exposeAll(datamodel, operationSets.all, () => ({ style: 'compact' }));
    expect(tools).toHaveLength(6);
    expect(complaintsAbout(tools)).toEqual([]);
  });
});
