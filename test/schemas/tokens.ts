import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import type { CompileOptions } from '../../src/models/compile.ts';
import { compileModels } from '../../src/models/compile.ts';
import type { Datamodel } from '../../src/models/datamodel/datamodel.ts';
import type { Operation } from '../../src/models/declaration/operations.ts';
import { isRead, operationNames, writesOf } from '../../src/models/declaration/operations.ts';
import type { ExposureLike } from '../../src/models/exposure.ts';
import type { ToolDefinition } from '../../src/protocol/definitions.ts';

/** What a language model is given of a tool: vendors send name, description and input schema. */
export type SeenTool = Pick<ToolDefinition, 'name' | 'description' | 'inputSchema'>;

/** The tokens of a tool in the encoding `o200k_base`, written as JSON. */
export function tokensOf({ name, description, inputSchema }: SeenTool): number {
  return countTokens(JSON.stringify({ name, description, inputSchema }));
}

/**
 * Compiles the exposure of all models of a datamodel without a database. Nothing can be called.
 *
 * @param operations Those of each model; a view has only those that read. A model that has none of them is not exposed.
 */
export function exposeAll(
  datamodel: Datamodel,
  operations: readonly Operation[],
  entry: (key: string) => ExposureLike & { style?: 'compact' } = () => ({}),
): ToolDefinition[] {
  const models: Record<string, ExposureLike> = {};
  for (const { key, missing = [] } of Object.values(datamodel.models)) {
    const own = operations.filter(operation => !writesOf(operation).some(write => missing.includes(write)));
    if (own.length > 0) models[key] = { ...entry(key), operations: own };
  }
  const prisma = Object.fromEntries(Object.keys(models).map(key => [key, { findMany: () => undefined }]));
  const options: CompileOptions = { name: 'test', prisma, datamodel, models };
  return compileModels(options).tools;
}

/**
 * `read` are the three operations that an exposure has by default, `write` has those that write one row besides. `bulk` has all writes besides,
 * `reads` all reads and those that write one row.
 */
export type OperationSet = 'read' | 'write' | 'bulk' | 'reads' | 'all';

const read: readonly Operation[] = ['findUnique', 'findMany', 'count'];
const single: readonly Operation[] = ['create', 'update', 'delete'];

export const operationSets: Readonly<Record<OperationSet, readonly Operation[]>> = {
  read,
  write: [...read, ...single],
  bulk: [...read, ...operationNames.filter(operation => !isRead(operation))],
  reads: [...operationNames.filter(isRead), ...single],
  all: operationNames,
};

/** The figures of one schema. */
export interface TokenRow {
  readonly tools: number;
  readonly tokens: number;
  readonly perModel: number;
  readonly largest: number;
  readonly largestName: string;
  /** Tokens of the output schemas, which only some clients load. */
  readonly output: number;
}

/** What it costs to expose all models of a datamodel with a set of operations. */
export function tokenRow(datamodel: Datamodel, operations: OperationSet): TokenRow {
  const tools = exposeAll(datamodel, operationSets[operations]);
  const sizes = tools.map(tool => ({ name: tool.name, tokens: tokensOf(tool) })).sort((one, other) => other.tokens - one.tokens);
  const tokens = sizes.reduce((sum, size) => sum + size.tokens, 0);
  return {
    tools: tools.length,
    tokens,
    perModel: Math.round(tokens / Object.keys(datamodel.models).length),
    largest: sizes[0]?.tokens ?? 0,
    largestName: sizes[0]?.name ?? '',
    output: tools.reduce((sum, tool) => sum + countTokens(JSON.stringify(tool.outputSchema)), 0),
  };
}
