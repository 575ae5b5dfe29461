import type { ResourceLink } from '../../protocol/definitions.ts';
import { cursorKey } from '../arguments/arguments.ts';
import type { Exposure } from '../datamodel/graph.ts';
import type { Row } from '../declaration/delegates.ts';
import type { Operation } from '../declaration/operations.ts';

/** The media type of rows as resources. */
export const rowMimeType = 'application/json';

/**
 * The values of a row's key as a part of a URI: `12`, `1/red`.
 *
 * @param row As JSON.
 * @returns `undefined` if the row lacks a column of the key, or the model shows no key.
 */
export function rowPath(exposure: Exposure, row: Row): string | undefined {
  const fields = cursorKey(exposure)?.fields;
  if (fields?.every(name => Object.hasOwn(row, name)) !== true) return undefined;
  return fields.map(name => encodeURIComponent(String(row[name]))).join('/');
}

/** The URI of the resource that is one row: `reservations://booking/12`. @param name The scheme. */
export function rowUri(exposure: Exposure, row: Row, name: string): string | undefined {
  const path = rowPath(exposure, row);
  return path === undefined ? undefined : `${name}://${exposure.node.key}/${path}`;
}

/** By operation: the links that go with a result. */
export type RowLinks = Partial<Record<Operation, (result: object) => readonly ResourceLink[]>>;

/**
 * The links to the rows of results, if rows are resources. Only results of one row that exists have one. A link to each row of a page would cost about 30
 * tokens a row, and the page has the keys.
 */
export function rowLinks(exposure: Exposure, name: string): RowLinks {
  if (!exposure.operations.has('findUnique')) return {};
  const link = (result: object): ResourceLink[] => {
    const uri = rowUri(exposure, result as Row, name);
    return uri === undefined ? [] : [{ type: 'resource_link', uri, name: exposure.node.key, mimeType: rowMimeType }];
  };
  return { findUnique: link, create: link, update: link, upsert: link };
}
