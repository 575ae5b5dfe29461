import type { Exposure } from './declaration.ts';
import type { Maker, Request } from './request.ts';
import { toolRequest } from './tool-requests.ts';

/** The generic tool that runs an operation. */
const genericTools: Readonly<Record<string, string>> = {
  findUnique: 'read_rows',
  findFirst: 'read_rows',
  findMany: 'read_rows',
  count: 'read_rows',
  aggregate: 'read_rows',
  groupBy: 'read_rows',
  create: 'create_rows',
  createMany: 'create_rows',
  update: 'update_rows',
  updateMany: 'update_rows',
  upsert: 'update_rows',
  delete: 'delete_rows',
  deleteMany: 'delete_rows',
};

/** The path of the endpoint with the style `compact`. */
export const compactPath = '/compact';

/** Whether an endpoint with the style `compact` has this tool. */
export function isGeneric(tool: unknown): boolean {
  return Object.values(genericTools).some(name => name === tool);
}

/** A random call of a generic tool: the arguments, and the answer, of the model's own tool. */
export function compactRequest(maker: Maker, exposure: Exposure, operation: string): Request {
  const { params, ...request } = toolRequest(maker, exposure, operation);
  const args = { model: exposure.model.key, operation, ...params.arguments };
  return { ...request, surface: 'compact', params: { name: genericTools[operation], arguments: args } };
}
