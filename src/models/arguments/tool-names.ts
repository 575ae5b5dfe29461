import type { Exposure } from '../datamodel/graph.ts';
import type { Effect, Operation } from '../declaration/operations.ts';
import { operationRows } from '../declaration/operations.ts';

/** A tool of the style `compact` that runs operations. */
export type RowTool = 'read_rows' | 'create_rows' | 'update_rows' | 'delete_rows';

const rowTools: Readonly<Record<Effect, RowTool>> = {
  reads: 'read_rows',
  creates: 'create_rows',
  updates: 'update_rows',
  deletes: 'delete_rows',
};

/** The tool of the style `compact` that runs an operation: one for each kind of effect, because clients ask their users once for each tool. */
export function rowToolOf(operation: Operation): RowTool {
  return rowTools[operationRows[operation].effect];
}

/** The tool that runs an operation: `booking_findMany`, or `read_rows` for a model of the style `compact`. */
export function toolName({ node, style }: Exposure, operation: Operation): string {
  return style === 'compact' ? rowToolOf(operation) : `${node.key}_${operation}`;
}

/** The tools of a model in words: `booking_findMany, booking_count`, `read_rows (findMany, count), create_rows (create)`. */
export function toolNames(exposure: Exposure): string {
  const operations = new Map<string, Operation[]>();
  for (const operation of exposure.operations) {
    const name = toolName(exposure, operation);
    operations.set(name, [...(operations.get(name) ?? []), operation]);
  }
  const names = exposure.style === 'compact' ? [...operations].map(([name, own]) => `${name} (${own.join(', ')})`) : [...operations.keys()];
  return names.join(', ');
}

/**
 * A call in words, for a hint.
 *
 * `badge_findMany { where: { docId: <id> } }`, `read_rows { model: "badge", operation: "findMany", where: { docId: <id> } }`
 *
 * @param args The arguments as text, without the braces around them.
 */
export function callText(exposure: Exposure, operation: Operation, args: string): string {
  const target = exposure.style === 'compact' ? `model: "${exposure.node.key}", operation: "${operation}", ` : '';
  return `${toolName(exposure, operation)} { ${target}${args} }`;
}
