import type { Row } from './data.ts';
import { textOf } from './data.ts';
import type { Exposure } from './declaration.ts';
import { visibleKeys } from './declaration.ts';
import type { Maker, Request } from './request.ts';
import { answer, refusal } from './request.ts';
import type { Column, Key, Model } from './schema.ts';
import { primaryKey } from './schema.ts';
import { pageJson } from './tool-requests.ts';
import { valueFor } from './where.ts';

/** The name of the server, and the scheme of its URIs. */
export const serverName = 'hunt';

/** Reads the list of a model, from the beginning or after a row, which may be hidden. */
export function listRequest(maker: Maker, exposure: Exposure): Request {
  const { model, operations, orderBy, take } = exposure;
  const uri = `${serverName}://${model.key}`;
  const first = maker.random.chance(0.6) ? maker.anyRow(model.key) : undefined;
  const cursor = first && Buffer.from(JSON.stringify(primaryKey(model).fields.map(name => first[name]))).toString('base64url');
  return resourceRequest(first === undefined ? 'list' : 'page', cursor === undefined ? uri : `${uri}?cursor=${cursor}`, oracle => {
    if (!operations.has('findMany')) return refusal('missing');
    const all = oracle.sorted(model, oracle.admitted(model.key, 'findMany'), orderBy);
    const at = first === undefined ? -1 : all.findIndex(row => pathOf(model, row) === pathOf(model, first));
    if (first !== undefined && at === -1) return refusal('missing');
    const { truncated, nextCursor, rows } = pageJson(oracle, exposure, all.slice(at + 1), { take });
    return answer(truncated === true ? { rows, next: `${uri}?cursor=${nextCursor}`, truncated } : { rows });
  });
}

/** The values of a row's key as a part of a URI: `k1`, `3/k1`. */
export function pathOf(model: Model, row: Row): string {
  return primaryKey(model)
    .fields.map(name => encodeURIComponent(textOf(row[name])))
    .join('/');
}

/** Reads one row by the URI of one of its visible keys. */
export function rowRequest(maker: Maker, exposure: Exposure): Request {
  const { model, operations } = exposure;
  const { random } = maker;
  const key = random.pick(visibleKeys(exposure));
  const { fields } = key;
  const row = maker.anyRow(model.key);
  const isOdd = row === undefined || random.chance(0.1);
  const values = isOdd
    ? fields.map(() => random.pick(['001', '1.0', '99', '%00', 'none', '-1', '*']))
    : fields.map(name => String(row[name]));
  const uri =
    key === primaryKey(model)
      ? `${serverName}://${model.key}/${values.map(encodeURIComponent).join('/')}`
      : `${serverName}://${model.key}?${fields.map((name, at) => `${name}=${encodeURIComponent(values[at] ?? '')}`).join('&')}`;
  return resourceRequest(key === primaryKey(model) ? 'row' : 'row by another key', uri, oracle => {
    const isNamed = (each: Row) => fields.every((name, at) => String(each[name]) === values[at]);
    const found = operations.has('findUnique') ? oracle.admitted(model.key, 'findUnique').find(isNamed) : undefined;
    return found === undefined ? refusal('missing') : answer(oracle.rowJson(exposure, found));
  });
}

/** Asks which resources or templates there are. The answer depends on the declaration only. */
export function directoryRequest(maker: Maker): Request {
  const isTemplates = maker.random.chance(0.5);
  const names = [...maker.setting.declaration.values()].flatMap(exposure => {
    const { model, operations } = exposure;
    if (!isTemplates) return operations.has('findMany') ? [model.key] : [];
    const keys = operations.has('findUnique') ? visibleKeys(exposure) : [];
    const rows = keys.map(key => (key === primaryKey(model) ? model.key : `${model.key}_${key.name}`));
    return operations.has('findMany') ? [...rows, `${model.key}_page`] : rows;
  });
  return {
    surface: 'resource',
    operation: isTemplates ? 'templates' : 'directory',
    method: isTemplates ? 'resources/templates/list' : 'resources/list',
    params: {},
    isWrite: false,
    expect: () => answer(names),
  };
}

/** Subscribes to a row that may be hidden or absent. The answer must not say which of the two. */
export function subscriptionRequest(maker: Maker, exposure: Exposure): Request {
  const row = rowRequest(maker, exposure);
  const isSubscribing = maker.random.chance(0.8);
  const operation = isSubscribing ? 'subscribe' : 'unsubscribe';
  return {
    ...row,
    surface: 'subscription',
    operation,
    method: `resources/${operation}`,
    expect: oracle => {
      const read = row.expect(oracle);
      return isSubscribing && read.kind === 'refusal' ? read : answer({});
    },
  };
}

/** Completes a variable of a row's URI. */
export function completionRequest(maker: Maker, exposure: Exposure): Request {
  const key = maker.random.pick(visibleKeys(exposure));
  return completionOf(maker, exposure, key, { type: 'ref/resource', uri: templateOf(exposure.model, key) });
}

/** Completes one column of a key, as an argument of `ref`. */
export function completionOf(
  maker: Maker,
  exposure: Exposure,
  { fields }: Key,
  ref: { type: string; uri?: string; name?: string },
): Request {
  const { random } = maker;
  const { model, operations } = exposure;
  const name = random.pick(fields);
  const column = model.columns.get(name) as Column;
  const value = String(valueFor(maker, column, model.key));
  const prefix = random.pick(['', '', value.slice(0, 1), value, '%', '_', 'k']);
  const other = fields.find(each => each !== name);
  const context = other !== undefined && random.chance(0.5) ? { [other]: textOf(maker.anyRow(model.key)?.[other] ?? '') } : undefined;
  return {
    surface: 'completion',
    operation: ref.type,
    method: 'completion/complete',
    params: { ref, argument: { name, value: prefix }, ...(context && { context: { arguments: context } }) },
    isWrite: false,
    expect: oracle => {
      if (!operations.has('findUnique')) return refusal('missing');
      if (!operations.has('findMany')) return answer([]);
      const rows = oracle.admitted(model.key, 'findMany').filter(row => {
        const isOther = other === undefined || context === undefined || context[other] === '' || String(row[other]) === context[other];
        return isOther && String(row[name]).startsWith(prefix);
      });
      const values = oracle.sorted(model, rows, [[name, 'asc']]).map(row => String(row[name]));
      return answer([...new Set(values)]);
    },
  };
}

function templateOf(model: Model, key: Key): string {
  const { fields } = key;
  const variables = key === primaryKey(model) ? `/${fields.map(name => `{${name}}`).join('/')}` : `{?${fields.join(',')}}`;
  return `${serverName}://${model.key}${variables}`;
}

function resourceRequest(operation: string, uri: string, expect: Request['expect']): Request {
  return { surface: 'resource', operation, method: 'resources/read', params: { uri }, isWrite: false, expect };
}
