import { describe, expect, it } from 'vitest';
import type { Datamodel, DatamodelField } from '../../src/models/datamodel/datamodel.ts';
import type { Exposure } from '../../src/models/datamodel/graph.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import { scalarField } from './fields.ts';

const id = scalarField('id', 'Int', { isId: true });

function expose(name: string, fields: readonly DatamodelField[], declared: object = {}): Exposure {
  const primaryKey = fields.filter(({ isId }) => isId).map(({ name: key }) => key);
  const target = { name: 'Token', key: 'token', fields: [id, scalarField('secret', 'String')], primaryKey: ['id'], uniques: [] };
  const datamodel: Datamodel = {
    models: { [name]: { name, key: 'it', fields, primaryKey, uniques: [] }, Token: target },
    enums: { HashType: { name: 'HashType', values: ['A'] } },
  };
  const [exposure] = resolveExposures({ it: declared }, modelGraph(datamodel));
  return exposure as Exposure;
}

describe('the rule of secret columns', () => {
  it.each<[model: string, column: DatamodelField]>([
    ['Model', scalarField('maxOutputTokens', 'Int')],
    ['Model', scalarField('tokensSpent', 'BigInt')],
    ['Model', scalarField('isSecret', 'Boolean')],
    ['Model', scalarField('hashType', 'HashType', { kind: 'enum' })],
    ['Model', scalarField('hashType', 'String')],
    ['Model', scalarField('tokenType', 'String')],
    ['Image', scalarField('pHash', 'BigInt')],
    ['Model', scalarField('tokenExpiresAt', 'DateTime')],
    ['Model', scalarField('secretRatio', 'Float')],
    ['ApiKey', scalarField('name', 'String')],
    ['ApiKey', scalarField('value', 'Int')],
    ['Country', scalarField('code', 'String')],
    ['BoardingPass', scalarField('code', 'String')],
    ['Translation', scalarField('key', 'String')],
  ])('shows %s %o', (model, column) => {
    expect(expose(model, [id, column]).secret).toEqual([]);
  });

  it.each<[model: string, column: DatamodelField]>([
    ['User', scalarField('hashedKey', 'String')],
    ['User', scalarField('encryptedData', 'Bytes')],
    ['ApiKey', scalarField('key', 'String')],
    ['MfaBackupCode', scalarField('code', 'String')],
    ['OAuthCode', scalarField('code', 'String')],
    ['Credential', scalarField('data', 'Json')],
    ['User', scalarField('pin', 'Int')],
    ['User', scalarField('backupCode', 'Int')],
    ['User', scalarField('token', 'String')],
    ['User', scalarField('tokens', 'Json')],
    ['User', scalarField('OTPCode', 'String')],
    ['User', scalarField('PINHint', 'String')],
    ['User', scalarField('userPINHint', 'String')],
  ])('hides %s %o', (model, column) => {
    expect(expose(model, [id, column]).secret).toEqual([column.name]);
    expect(expose(model, [id, column], { omit: { [column.name]: false } }).secret).toEqual([]);
  });

  it('takes a foreign key for what it points to', () => {
    const relation = (type: string, from: string, to: string): DatamodelField =>
      scalarField('link', type, { kind: 'object', relationName: 'T', relationFromFields: [from], relationToFields: [to] });
    const key = (name: string): DatamodelField => scalarField(name, 'String', { isReadOnly: true });
    expect(expose('Model', [id, key('tokenId'), relation('Token', 'tokenId', 'id')]).secret).toEqual([]);
    expect(expose('Model', [id, key('tokenRef'), relation('Token', 'tokenRef', 'secret')]).secret).toEqual(['tokenRef']);
    expect(expose('Model', [id, key('secretId'), relation('Model', 'secretId', 'secretId')]).secret).toEqual([]);
  });

  it('takes findUnique from a model whose only key it hides, and not the start', () => {
    const fields = [scalarField('token', 'String', { isId: true }), scalarField('note', 'String')];
    expect([...expose('Session', fields).operations]).toEqual(['findMany', 'count']);
    expect([...expose('Session', fields, { operations: ['findUnique', 'count'] }).operations]).toEqual(['count']);
    expect(() => expose('Session', fields, { operations: ['update'] })).toThrow('update needs a unique key whose columns are all visible');
    expect(() => expose('Session', fields, { omit: { token: true } })).toThrow('findUnique needs a unique key');
  });
});
