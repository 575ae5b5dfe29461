import { McpError } from '../../errors.ts';
import type { EmbeddedResource, PromptDefinition, PromptMessage } from '../../protocol/definitions.ts';
import type { ExposedPrompt, Exposure, UniqueKey } from '../datamodel/graph.ts';
import type { ModelPrompt, PromptWords } from '../declaration/row-options.ts';
import { isPlainObject, list, quote } from '../messages.ts';
import { assertKeys } from '../policy/host-args.ts';
import { scopesMember } from '../policy/scopes.ts';
import type { Reader } from '../queries/reads.ts';
import { completion, readRow } from './resources.ts';
import { rowMimeType, rowUri } from './row-links.ts';

const promptOptions = ['description', 'title', 'key', 'message', 'icons', '_meta', 'enabled'];

/**
 * Checks the option `prompts` of a model. The names of the prompts are `<model key>_<name>`.
 *
 * @throws {TypeError} at an unknown option or key, a missing description or message, and a model without `findUnique`.
 */
export function resolvePrompts(exposure: Exposure, declared: unknown, path: string): ExposedPrompt[] {
  if (declared === undefined) return [];
  if (!isPlainObject(declared)) throw new TypeError(`${path}: expected an object whose keys are the names of prompts`);
  if (!exposure.operations.has('findUnique')) {
    throw new TypeError(`${path}: a prompt reads one row; add findUnique to operations, or leave prompts out`);
  }
  return Object.entries(declared).map(([name, prompt]) => resolvePrompt(exposure, name, prompt, `${path}.${name}`));
}

function resolvePrompt({ node, uniques }: Exposure, name: string, declared: unknown, path: string): ExposedPrompt {
  assertKeys(declared, promptOptions, path);
  if (!/^[\w.-]{1,64}$/.test(name)) throw new TypeError(`${path}: the name must be 1 to 64 letters, digits, \`_\`, \`.\` and \`-\``);
  const { description, title, message, enabled } = declared;
  if (typeof description !== 'string' || description === '') throw new TypeError(`${path}.description: say what the prompt is for`);
  if (title !== undefined && typeof title !== 'string') throw new TypeError(`${path}.title: expected a string`);
  if (typeof message !== 'string' && typeof message !== 'function') {
    throw new TypeError(`${path}.message: expected the words of the prompt, or a function (row, ctx) => words`);
  }
  if (enabled !== undefined && typeof enabled !== 'function') throw new TypeError(`${path}.enabled: expected a function (ctx) => boolean`);
  const key = uniques.find(known => declared['key'] === undefined || known.name === declared['key']);
  if (key === undefined) {
    const names = list(uniques.map(known => known.name));
    throw new TypeError(`${path}.key: ${node.name} has no unique key \`${String(declared['key'])}\` of visible columns (${names})`);
  }
  return { name: `${node.key}_${name}`, key, declared: declared as Pick<ModelPrompt, keyof ModelPrompt> };
}

/**
 * The prompts of one exposure. The host says the words; the row comes within the caller's policy, with the visible columns and included relations, as
 * an embedded resource with the text of the row's own resource.
 *
 * @param name The scheme of the row's URI.
 */
export function modelPrompts(exposure: Exposure, reader: Reader, name: string): PromptDefinition[] {
  return exposure.prompts.map(prompt => modelPrompt(prompt, exposure, reader, name));
}

function modelPrompt(
  { name: promptName, key, declared }: ExposedPrompt,
  exposure: Exposure,
  reader: Reader,
  name: string,
): PromptDefinition {
  const { description, message, key: _, ...metadata } = declared;
  const rows = { exposure, reader, key };
  return {
    ...metadata,
    name: promptName,
    description,
    ...scopesMember([[exposure, 'findUnique']]),
    arguments: key.fields.map(field => {
      const documentation = exposure.columns.get(field)?.field.documentation;
      return { name: field, ...(documentation !== undefined && { description: documentation }), required: true };
    }),
    get: async (args, ctx) => {
      const row = await readRow(rows, args, ctx);
      const uri = row && rowUri(exposure, row, name);
      if (row === undefined || uri === undefined) throw noRow(exposure, key, args);
      const text = JSON.stringify(row);
      const words = typeof message === 'string' ? message : await message(row, ctx);
      return { description, messages: withRow(words, { type: 'resource', resource: { uri, mimeType: rowMimeType, text } }) };
    },
    ...completion(rows),
  };
}

/** A hidden row, a missing row and a text that is no value of the column get the same error. */
function noRow({ node }: Exposure, { fields }: UniqueKey, args: Readonly<Record<string, string>>): McpError {
  const named = fields.map(field => `${field} ${quote(args[field] ?? '')}`).join(' and ');
  return new McpError('InvalidParams', `Invalid params: there is no ${node.name} with ${named}`);
}

/** The row follows the first message: some clients read only the first, which must then be the words. */
function withRow(words: PromptWords, content: EmbeddedResource): PromptMessage[] {
  const row: PromptMessage = { role: 'user', content };
  if (typeof words === 'string') return [{ role: 'user', content: { type: 'text', text: words } }, row];
  const [first, ...rest] = words;
  return first === undefined ? [row] : [first, row, ...rest];
}
