import type { ModelReport, RelationReport } from '../models/report.ts';
import type { DefinitionReport, LimitReport, McpReport, ToolReport } from '../report.ts';
import { grouped, plural, roughly, toLine } from '../report.ts';

const maxColumns = 118;
const labelColumns = 15;
const measureColumns = 26;

/** A report for people: one block for each model, then the app's own definitions, the limits of agents, and warnings. */
export function toText(report: McpReport): string {
  const { models, tools, resources, prompts, limits, warnings } = report;
  const shared = tools.filter(({ from, model }) => from === 'models' && model === undefined);
  const own = (definitions: readonly DefinitionReport[]) => definitions.filter(({ from }) => from === 'app').map(({ name }) => name);
  const blocks = [
    fold(toLine(report).split('; '), '; ', maxColumns),
    ...models.map(model =>
      modelLines(
        model,
        tools.filter(tool => tool.model === model.key),
      ),
    ),
    [
      ...row('shared tools', shared.map(withTokens)),
      ...row('own tools', tools.filter(({ from }) => from === 'app').map(withTokens)),
      ...row('own resources', own(resources)),
      ...row('own prompts', own(prompts)),
    ],
    ['limits of agents', ...limits.flatMap(limitLines)],
    warnings.length === 0 ? ['no warnings'] : ['warnings', ...warnings.flatMap(({ kind, message }) => wrap(kind, message.split(' '), ' '))],
  ];
  return `${blocks
    .filter(lines => lines.length > 0)
    .map(lines => lines.join('\n'))
    .join('\n\n')}\n`;
}

const policies: Readonly<Record<ModelReport['policy'], string>> = {
  none: 'none: every caller reaches every row',
  'every row': '{}: every caller reaches every row',
  value: 'the same for every caller',
  function: 'decided for each call',
};

function modelLines(model: ModelReport, tools: readonly ToolReport[]): string[] {
  const {
    key,
    name,
    style,
    operations,
    policy,
    data,
    take,
    maxWrites,
    confirm,
    idempotent,
    scopes,
    columns,
    hidden,
    relations,
    unindexed,
    prompts,
    searched,
  } = model;
  const hiddenColumns = hidden.map(
    ({ name: column, reason, detail }) => `${column} (${detail === undefined ? reason : `${reason}: ${detail}`})`,
  );
  return [
    `model ${key} (${name})`,
    ...wrap('operations', operations),
    ...wrap('row policy', [policies[policy]]),
    ...row('forced data', data === 'none' ? [] : [data === 'value' ? policies.value : policies.function]),
    ...wrap('rows', [`at most ${take} in one answer`, ...writtenRows(maxWrites)]),
    ...row('asks first', confirm),
    ...row('takes keys', idempotent),
    ...scopes.flatMap(({ scopes: needed, operations: scoped }, index) =>
      wrap(index === 0 ? 'scopes' : '', `${needed.join(' and ')} for ${scoped.join(', ')}`.split(' '), ' '),
    ),
    ...wrap('columns', columns),
    ...row('hidden', hiddenColumns),
    ...relations.flatMap((relation, index) => wrap(index === 0 ? 'relations' : '', describeRelation(relation), ' ')),
    ...row('without index', unindexed),
    ...row('searched', searched),
    ...row('prompts', prompts),
    ...row(style === 'compact' ? 'shared tools' : 'tools', style === 'compact' ? model.tools : tools.map(withTokens)),
  ];
}

function writtenRows(max: number | null | undefined): string[] {
  if (max === undefined) return [];
  return [max === null ? 'any number in one write' : `at most ${max} in one write`];
}

function describeRelation({ name, model, included, filterable, reason }: RelationReport): string[] {
  const parts = [
    `${name} to ${model}`,
    included === undefined ? 'not included' : `included with ${included.join(', ')}`,
    filterable ? 'filters' : `no filter: ${reason ?? ''}`,
  ];
  return parts.join('; ').split(' ');
}

function withTokens({ name, tokens }: ToolReport): string {
  return `${name} (${plural(roughly(tokens), 'token')})`;
}

const limitLabels: Readonly<Record<LimitReport['limit'], string>> = {
  tools: 'tools',
  tokens: 'tokens',
  description: 'description',
  name: 'tool name',
  nameSyntax: 'unusual names',
};

function limitLines({ limit, value, max, isExceeded, tools, consequence, remedy }: LimitReport): string[] {
  const amount = limit === 'tokens' ? `about ${grouped(roughly(value))}` : grouped(value);
  const unit = limit === 'description' || limit === 'name' ? ' characters' : '';
  const measure = `${amount} of ${grouped(max)}${unit}`.padEnd(measureColumns);
  if (!isExceeded) return wrap(limitLabels[limit], [measure + consequence]);
  return wrap(limitLabels[limit], [`${measure}EXCEEDED:`, ...`${consequence}. ${remedy}`.split(' '), ...tools], ' ');
}

/** The lines of a list, or none if it is empty. */
function row(label: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : wrap(label, items);
}

/** `  label          a, b, c`, broken between items. */
function wrap(label: string, items: readonly string[], separator = ', '): string[] {
  const lines = fold(items, separator, maxColumns - labelColumns - 2);
  return lines.map((text, index) => `  ${(index === 0 ? label : '').padEnd(labelColumns)}${text}`.trimEnd());
}

/** The items in lines of at most `columns` characters, unless one item is longer. */
function fold(items: readonly string[], separator: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const [index, item] of items.entries()) {
    const text = index === items.length - 1 ? item : `${item}${separator}`;
    if (line !== '' && line.length + text.trimEnd().length > columns) {
      lines.push(line.trimEnd());
      line = '';
    }
    line += text;
  }
  return [...lines, line];
}
