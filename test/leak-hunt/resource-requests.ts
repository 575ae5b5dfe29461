import type { Row } from './data.ts';
import { textOf } from './data.ts';
import type { Exposure } from './declaration.ts';
import type { Maker, Request } from './request.ts';
import { answer, refusal } from './request.ts';
import type { Column, Model } from './schema.ts';
import { primaryKey } from './schema.ts';
import { pageJson } from './tool-requests.ts';
import { valueFor } from './where.ts';

/** The name of the server, and the scheme of its URIs. */
export const serverName = 'hunt';

/** Reads the list of a model. */
export function listRequest(_maker: Maker, exposure: Exposure): Request {
  const { model, operations, orderBy, take } = exposure;
  return resourceRequest('list', `${serverName}://${model.key}`, oracle => {
    if (!operations.has('findMany')) return refusal('missing');
    const rows = oracle.sorted(model, oracle.admitted(model.key, 'findMany'), orderBy);
    const { truncated, rows: page } = pageJson(oracle, exposure, rows, { take });
    return answer(truncated === true ? { rows: page, truncated } : { rows: page });
  });
}

/** Reads one row by the URI of its key. */
export function rowRequest(maker: Maker, exposure: Exposure): Request {
  const { model, operations } = exposure;
  const { fields } = primaryKey(model);
  const { random } = maker;
  const row = maker.anyRow(model.key);
  const isOdd = row === undefined || random.chance(0.1);
  const values = isOdd
    ? fields.map(() => random.pick(['001', '1.0', '99', '%00', 'none', '-1', '*']))
    : fields.map(name => String(row[name]));
  const uri = `${serverName}://${model.key}/${values.map(encodeURIComponent).join('/')}`;
  return resourceRequest('row', uri, oracle => {
    const isNamed = (each: Row) => fields.every((name, at) => String(each[name]) === values[at]);
    const found = operations.has('findUnique') ? oracle.admitted(model.key, 'findUnique').find(isNamed) : undefined;
    return found === undefined ? refusal('missing') : answer({ rows: oracle.rowJson(exposure, found) });
  });
}

/** Asks which resources or templates there are. The answer depends on the declaration only. */
export function directoryRequest(maker: Maker): Request {
  const isTemplates = maker.random.chance(0.5);
  const needed = isTemplates ? 'findUnique' : 'findMany';
  const names = [...maker.setting.declaration.values()].filter(({ operations }) => operations.has(needed)).map(({ model }) => model.key);
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
  const { random } = maker;
  const { model, operations } = exposure;
  const { fields } = primaryKey(model);
  const name = random.pick(fields);
  const column = model.columns.get(name) as Column;
  const value = String(valueFor(maker, column, model.key));
  const prefix = random.pick(['', '', value.slice(0, 1), value, '%', '_', 'k']);
  const other = fields.find(each => each !== name);
  const context = other !== undefined && random.chance(0.5) ? { [other]: textOf(maker.anyRow(model.key)?.[other] ?? '') } : undefined;
  const ref = { type: 'ref/resource', uri: templateOf(model) };
  return {
    surface: 'completion',
    operation: 'complete',
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

function templateOf(model: Model): string {
  const variables = primaryKey(model).fields.map(name => `{${name}}`);
  return `${serverName}://${model.key}/${variables.join('/')}`;
}

function resourceRequest(operation: string, uri: string, expect: Request['expect']): Request {
  return { surface: 'resource', operation, method: 'resources/read', params: { uri }, isWrite: false, expect };
}
