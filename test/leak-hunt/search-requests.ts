import type { Row } from './data.ts';
import { textOf } from './data.ts';
import type { Declaration, Exposure } from './declaration.ts';
import { searchedColumns, titleOf, usesTitleFunction } from './declaration.ts';
import type { Json, Oracle } from './oracle.ts';
import type { Maker, Request } from './request.ts';
import { answer, refusal } from './request.ts';
import { pathOf, serverName } from './resource-requests.ts';

const maxResults = 25;

/** Looks for one or two pieces of texts that some row has, in a visible column or not. */
export function searchRequest(maker: Maker): Request {
  const { random, setting } = maker;
  const words = Array.from({ length: random.pick([1, 1, 2]) }, () => anyWord(maker));
  const query = words.map(word => (random.chance(0.3) ? word.toUpperCase() : word)).join(random.pick([' ', ', ', '%']));
  return {
    surface: 'search',
    operation: 'search',
    method: 'tools/call',
    params: { name: 'search', arguments: { query } },
    isWrite: false,
    expect: oracle => {
      const searched = searchedExposures(setting.declaration);
      if (searched.length === 0) return refusal('missing');
      const lists = searched.map(exposure => {
        const found = oracle.admitted(exposure.model.key, 'findMany').filter(row => hasWords(exposure, row, words));
        const page = oracle.sorted(exposure.model, found, exposure.orderBy).slice(0, Math.min(exposure.take, maxResults));
        return page.map(row => named(oracle, exposure, row));
      });
      const longest = Math.max(...lists.map(({ length }) => length));
      const results = Array.from({ length: longest }, (_, index) => lists.flatMap(each => each.slice(index, index + 1))).flat();
      return answer({ results: results.slice(0, maxResults) });
    },
  };
}

/** Fetches a row that may be hidden, or of a model that is not searched. */
export function fetchRequest(maker: Maker, exposure: Exposure): Request {
  const { random } = maker;
  const { model } = exposure;
  const row = random.chance(0.92) ? maker.anyRow(model.key) : undefined;
  const id = row === undefined ? `${model.key}:${random.pick(['99', '001', '%', '1/2/3', ''])}` : `${model.key}:${pathOf(model, row)}`;
  return {
    surface: 'search',
    operation: 'fetch',
    method: 'tools/call',
    params: { name: 'fetch', arguments: { id } },
    isWrite: false,
    expect: oracle => {
      const isSearched = searchedExposures(oracle.setting.declaration).includes(exposure);
      const found = oracle.admitted(model.key, 'findUnique').find(each => `${model.key}:${pathOf(model, each)}` === id);
      if (!isSearched || found === undefined) return refusal('missing');
      return answer({ ...named(oracle, exposure, found), text: oracle.rowJson(exposure, found), metadata: { model: model.key } });
    },
  };
}

function searchedExposures(declaration: Declaration): Exposure[] {
  return [...declaration.values()].filter(exposure => searchedColumns(exposure).length > 0);
}

/** A piece of a text of any row, also of a hidden one or in a hidden column. */
function anyWord(maker: Maker): string {
  const { random, setting } = maker;
  const model = random.pick([...setting.declaration.values()]).model;
  const row = maker.anyRow(model.key);
  const texts = [...model.columns.values()].flatMap(({ name, type, list }) => {
    const value = row?.[name] ?? null;
    return type === 'String' && !list && value !== null ? [textOf(value)] : [];
  });
  const text = texts.length === 0 ? 'ab' : random.pick(texts);
  return random.chance(0.5) ? text : text.slice(0, 1);
}

function hasWords(exposure: Exposure, row: Row, words: readonly string[]): boolean {
  const texts = searchedColumns(exposure).map(name => textOf(row[name] ?? '').toLowerCase());
  return words.every(word => texts.some(text => text.includes(word.toLowerCase())));
}

function named(oracle: Oracle, exposure: Exposure, row: Row): Json {
  const { model } = exposure;
  const path = pathOf(model, row);
  const column = row[searchedColumns(exposure)[0] ?? ''] ?? '';
  const title = usesTitleFunction(model) ? titleOf(oracle.rowJson(exposure, row)) : textOf(column);
  return { id: `${model.key}:${path}`, title: title === '' ? `${model.name} ${path}` : title, url: `${serverName}://${model.key}/${path}` };
}
