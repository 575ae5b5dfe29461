import type { JsonObject } from '../protocol/definitions.ts';
import type { Connection } from './wire.ts';
import { objectsIn } from './wire.ts';

/**
 * Reads all pages of a list.
 *
 * @param method Such as `resources/templates/list`.
 * @param member The member of the result that has the items, such as `resourceTemplates`.
 * @throws {Error} The server gives the same cursor twice, so the list would have no end. @throws {RequestError} as `request`
 */
export async function listAll({ request }: Pick<Connection, 'request'>, method: string, member: string): Promise<JsonObject[]> {
  const items: JsonObject[] = [];
  const seen = new Set<unknown>();
  for (let cursor: unknown; ; ) {
    const page = await request(method, cursor === undefined ? {} : { cursor });
    items.push(...objectsIn(page[member]));
    cursor = page['nextCursor'];
    if (cursor === undefined || cursor === null) return items;
    if (seen.has(cursor)) throw new Error(`${method} gives the cursor ${JSON.stringify(cursor)} twice, so the list has no end`);
    seen.add(cursor);
  }
}
