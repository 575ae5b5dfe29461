import { describe, expect, it } from 'vitest';
import { isRead, writesOf } from '../../src/models/declaration/operations.ts';
import { syntheticSchema, syntheticSizes } from '../schemas/synthetic.ts';
import { exposeAll, operationSets, tokenRow, tokensOf } from '../schemas/tokens.ts';

/**
 * Tokens of `o200k_base` that a model may cost on average, by its operations, and that one tool may cost. `confirmed` has all operations, and
 * `confirm` for each write.
 */
const limits = { read: 450, write: 700, bulk: 1000, reads: 1000, all: 1000, confirmed: 1050, tool: 900 } as const;

describe('the tools of models', () => {
  it.each(syntheticSizes)('cost a language model few tokens, in a schema of %d models', { timeout: 240_000 }, async models => {
    const { datamodel } = await syntheticSchema({ models });
    const [read, write, bulk] = [tokenRow(datamodel, 'read'), tokenRow(datamodel, 'write'), tokenRow(datamodel, 'bulk')];
    const [reads, all] = [tokenRow(datamodel, 'reads'), tokenRow(datamodel, 'all')];
    const missing = new Map(Object.values(datamodel.models).map(model => [model.key, model.missing ?? []]));
    const writes = (key: string) =>
      operationSets.all.filter(name => !isRead(name) && !writesOf(name).some(write => missing.get(key)?.includes(write)));
    const confirmed = exposeAll(datamodel, operationSets.all, key => ({ confirm: writes(key) }));
    expect(read.tools).toBe(models * 3);
    expect(write.tools).toBeGreaterThan(models * 5);
    expect(all.tools).toBeGreaterThan(models * 12);
    expect(read.perModel).toBeLessThanOrEqual(limits.read);
    expect(write.perModel).toBeLessThanOrEqual(limits.write);
    expect(bulk.perModel).toBeLessThanOrEqual(limits.bulk);
    expect(reads.perModel).toBeLessThanOrEqual(limits.reads);
    expect(all.perModel).toBeLessThanOrEqual(limits.all);
    expect(confirmed.reduce((sum, tool) => sum + tokensOf(tool), 0) / models).toBeLessThanOrEqual(limits.confirmed);
    expect([read.largest, write.largest, all.largest].filter(tokens => tokens > limits.tool)).toEqual([]);
  });

  it('cost 18,000 tokens at most in a schema of 40 models', { timeout: 240_000 }, async () => {
    const { datamodel } = await syntheticSchema({ models: 40 });
    expect(tokenRow(datamodel, 'read').tokens).toBeLessThanOrEqual(18_000);
  });

  it('stay below the limit of one tool with the widest model, whichever operation it has', { timeout: 240_000 }, async () => {
    const { datamodel } = await syntheticSchema({ models: 20 });
    const [base] = Object.values(datamodel.models);
    const field = base?.fields.find(({ type, isId }) => type === 'String' && !isId) ?? expect.fail('no text column');
    const fields = Array.from({ length: 90 }, (_, index) => ({
      ...field,
      name: `billingAddressOfTheCustomer${index}`,
      isUnique: false,
      documentation: 'What the customer has written into the form, without any check of its spelling.',
    }));
    const links = Array.from({ length: 90 }, (_, index) => ({
      ...field,
      name: `customerInvitationsOfTheYear${index}`,
      kind: 'object' as const,
      type: 'Wide',
      isList: true,
      relationName: `link${index}`,
      relationFromFields: [],
      relationToFields: [],
    }));
    const wide = {
      ...base,
      name: 'Wide',
      key: 'wide',
      documentation: 'One of many. '.repeat(200),
      fields: [...(base?.fields.filter(({ isId }) => isId) ?? []), ...fields, ...links],
      uniques: [],
    };
    for (const operation of operationSets.all) {
      const tools = exposeAll({ ...datamodel, models: { Wide: wide as never } }, [operation]);
      expect(Math.max(...tools.map(tokensOf)), operation).toBeLessThanOrEqual(limits.tool);
    }
  });
});
