import { describe, expect, it } from 'vitest';
import type { Datamodel, DatamodelField } from '../../src/models/datamodel.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import type { Exposure } from '../../src/models/graph.ts';
import { modelGraph } from '../../src/models/graph.ts';

const field = (name: string, type: string, more: Partial<DatamodelField> = {}): DatamodelField => ({
  name,
  kind: 'scalar',
  type,
  isList: false,
  isRequired: true,
  hasDefaultValue: false,
  isId: false,
  isUnique: false,
  isUpdatedAt: false,
  isReadOnly: false,
  ...more,
});
const id = field('id', 'Int', { isId: true });

function expose(name: string, fields: readonly DatamodelField[], declared: object = {}): Exposure {
  const primaryKey = fields.filter(({ isId }) => isId).map(({ name: key }) => key);
  const target = { name: 'Token', key: 'token', fields: [id, field('secret', 'String')], primaryKey: ['id'], uniques: [] };
  const datamodel: Datamodel = {
    models: { [name]: { name, key: 'it', fields, primaryKey, uniques: [] }, Token: target },
    enums: { HashType: { name: 'HashType', values: ['A'] } },
  };
  const [exposure] = resolveExposures({ it: declared }, modelGraph(datamodel));
  return exposure as Exposure;
}

describe('the rule of secret columns', () => {
  it.each<[model: string, column: DatamodelField]>([
    ['Model', field('maxOutputTokens', 'Int')],
    ['Model', field('tokensSpent', 'BigInt')],
    ['Model', field('isSecret', 'Boolean')],
    ['Model', field('hashType', 'HashType', { kind: 'enum' })],
    ['Model', field('hashType', 'String')],
    ['Model', field('tokenType', 'String')],
    ['Image', field('pHash', 'BigInt')],
    ['Model', field('tokenExpiresAt', 'DateTime')],
    ['Model', field('secretRatio', 'Float')],
    ['ApiKey', field('name', 'String')],
    ['ApiKey', field('value', 'Int')],
    ['Country', field('code', 'String')],
    ['BoardingPass', field('code', 'String')],
    ['Translation', field('key', 'String')],
  ])('shows %s %o', (model, column) => {
    expect(expose(model, [id, column]).secret).toEqual([]);
  });

  it.each<[model: string, column: DatamodelField]>([
    ['User', field('hashedKey', 'String')],
    ['User', field('encryptedData', 'Bytes')],
    ['ApiKey', field('key', 'String')],
    ['MfaBackupCode', field('code', 'String')],
    ['OAuthCode', field('code', 'String')],
    ['Credential', field('data', 'Json')],
    ['User', field('pin', 'Int')],
    ['User', field('backupCode', 'Int')],
    ['User', field('token', 'String')],
    ['User', field('tokens', 'Json')],
  ])('hides %s %o', (model, column) => {
    expect(expose(model, [id, column]).secret).toEqual([column.name]);
    expect(expose(model, [id, column], { omit: { [column.name]: false } }).secret).toEqual([]);
  });

  it('takes a foreign key for what it points to', () => {
    const relation = (type: string, from: string, to: string): DatamodelField =>
      field('link', type, { kind: 'object', relationName: 'T', relationFromFields: [from], relationToFields: [to] });
    const key = (name: string): DatamodelField => field(name, 'String', { isReadOnly: true });
    expect(expose('Model', [id, key('tokenId'), relation('Token', 'tokenId', 'id')]).secret).toEqual([]);
    expect(expose('Model', [id, key('tokenRef'), relation('Token', 'tokenRef', 'secret')]).secret).toEqual(['tokenRef']);
    expect(expose('Model', [id, key('secretId'), relation('Model', 'secretId', 'secretId')]).secret).toEqual([]);
  });

  it('takes findUnique from a model whose only key it hides, and not the start', () => {
    const fields = [field('token', 'String', { isId: true }), field('note', 'String')];
    expect([...expose('Session', fields).operations]).toEqual(['findMany', 'count']);
    expect([...expose('Session', fields, { operations: ['findUnique', 'count'] }).operations]).toEqual(['count']);
    expect(() => expose('Session', fields, { operations: ['update'] })).toThrow('update needs a unique key whose columns are all visible');
    expect(() => expose('Session', fields, { omit: { token: true } })).toThrow('findUnique needs a unique key');
  });
});
