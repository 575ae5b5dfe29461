import type { ResourceLink } from '../protocol/definitions.ts';
import { cursorKey } from './arguments.ts';
import type { Operation } from './declaration.ts';
import type { Row } from './delegates.ts';
import type { Exposure } from './graph.ts';

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

/** The operations whose result is one row that exists. A link to each row of a page would cost about 30 tokens a row, and the page has the keys. */
const linkedOperations: ReadonlySet<Operation> = new Set(['findUnique', 'create', 'update']);

/** The links that go with the result of an operation: one to the row, if the row is a resource. */
export function rowLinks(exposure: Exposure, operation: Operation, result: object, name: string): ResourceLink[] {
  if (!linkedOperations.has(operation) || !exposure.operations.has('findUnique')) return [];
  const uri = rowUri(exposure, result as Row, name);
  return uri === undefined ? [] : [{ type: 'resource_link', uri, name: exposure.node.key, mimeType: rowMimeType }];
}
