import type { JsonObject } from '../../protocol/definitions.ts';
import type { ModelNode } from '../datamodel/graph.ts';
import { isPlainObject } from '../messages.ts';

/** Stands for a value that is not recorded. */
export const masked = '[masked]';

/** The arguments of an operation as they may be recorded: values of hidden columns, and of models that are not exposed, are `[masked]`. */
export function maskArguments(node: ModelNode, args: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(args).map(([name, argument]) => [name, mask(node, argument)]));
}

function mask(node: ModelNode, value: unknown): unknown {
  if (Array.isArray(value)) return value.map(item => mask(node, item));
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, maskMember(node, name, member)]));
}

function maskMember(node: ModelNode, name: string, member: unknown): unknown {
  const relation = node.relations.get(name);
  if (relation !== undefined) return relation.target.exposure === undefined ? masked : mask(relation.target, member);
  if (node.fields.has(name) && node.exposure?.columns.has(name) !== true) return masked;
  return mask(node, member);
}
