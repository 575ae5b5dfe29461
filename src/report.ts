import { isRead } from './models/declaration/operations.ts';
import type { ModelReport, PolicyKind } from './models/report.ts';
import type { Definitions, ToolDefinition } from './protocol/definitions.ts';
import { estimateTokens } from './tokens.ts';

/** What one endpoint exposes, and what it costs the agents that use it. */
export interface McpReport {
  /** The option `name`. */
  readonly name: string;
  /** The option `path`. */
  readonly path: string;
  readonly models: readonly ModelReport[];
  readonly tools: readonly ToolReport[];
  /** URIs and URI templates. */
  readonly resources: readonly DefinitionReport[];
  readonly prompts: readonly DefinitionReport[];
  /** Estimated tokens of the whole list of tools. */
  readonly tokens: number;
  readonly limits: readonly LimitReport[];
  readonly warnings: readonly ReportWarning[];
}

/** A tool, resource or prompt: the app's own, or made for `models`. */
export interface DefinitionReport {
  readonly name: string;
  readonly from: 'app' | 'models';
}

/** A tool with its cost. */
export interface ToolReport extends DefinitionReport {
  /** The key of its model; absent for the app's own tools and for tools that serve several models. */
  readonly model?: string;
  /** Estimated tokens of name, description and input schema. */
  readonly tokens: number;
  /** UTF-16 code units. */
  readonly descriptionCharacters: number;
}

/** A limit of agents and their vendors, and how close the endpoint is to it. */
export interface LimitReport {
  readonly limit: 'tools' | 'tokens' | 'description' | 'name' | 'nameSyntax';
  readonly value: number;
  readonly max: number;
  readonly isExceeded: boolean;
  /** The tools that exceed it, where it is a limit of each tool. */
  readonly tools: readonly string[];
  /** Whose limit it is, and what happens beyond it. */
  readonly consequence: string;
  readonly remedy: string;
}

/** Something that the host may not have meant. */
export interface ReportWarning {
  /**
   * `secret`: columns are hidden that nobody decided on. `operation`: an operation is left out for want of a key. `index`: filters read whole
   * tables. `write`: every caller may write every row, and no `where` says so.
   */
  readonly kind: 'secret' | 'operation' | 'index' | 'write';
  readonly message: string;
}

/** The parts of an endpoint that a report is about. */
export interface ReportSubject {
  readonly name: string;
  readonly path: string;
  readonly models: readonly ModelReport[];
  /** The app's own definitions. */
  readonly own: Definitions;
  /** The definitions made for `models`. */
  readonly made: Definitions;
}

/** Reports on one endpoint. */
export function reportOf({ name, path, models, own, made }: ReportSubject): McpReport {
  const modelOf = new Map(
    models.flatMap(({ key, style, tools: names }) => (style === 'compact' ? [] : names.map(tool => [tool, key] as const))),
  );
  const tools = [
    ...own.tools.map(tool => reportTool(tool, 'app', undefined)),
    ...made.tools.map(tool => reportTool(tool, 'models', modelOf.get(tool.name))),
  ];
  const tokens = tools.reduce((sum, tool) => sum + tool.tokens, 0);
  const list = (pick: (definitions: Definitions) => readonly string[]): DefinitionReport[] => [
    ...pick(own).map(each => ({ name: each, from: 'app' as const })),
    ...pick(made).map(each => ({ name: each, from: 'models' as const })),
  ];
  return {
    name,
    path,
    models,
    tools,
    resources: list(({ resources, resourceTemplates }) => [
      ...resources.map(({ uri }) => uri),
      ...resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    ]),
    prompts: list(({ prompts }) => prompts.map(prompt => prompt.name)),
    tokens,
    limits: reportLimits(tools, tokens),
    warnings: findWarnings(models),
  };
}

function reportTool(tool: ToolDefinition, from: ToolReport['from'], model: string | undefined): ToolReport {
  return {
    name: tool.name,
    from,
    ...(model !== undefined && { model }),
    tokens: estimateTokens(JSON.stringify({ name: tool.name, description: tool.description, inputSchema: tool.inputSchema })),
    descriptionCharacters: tool.description.length,
  };
}

const fewer = "Expose fewer models or operations, or set `style: 'compact'`.";

/**
 * The limits of agents and their vendors.
 *
 * @see https://developers.openai.com/api/reference/resources/chat (128 functions, names of 64 characters)
 * @see https://code.visualstudio.com/docs/agents/agent-tools (128 tools in a request)
 * @see https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/Tool#FunctionDeclaration (names)
 * @see https://github.com/anthropics/claude-code/issues/12241 (Claude Code's warning of 25,000 tokens)
 * @see https://github.com/getsentry/sentry-mcp/issues/106 (OpenAI's error for descriptions over 1,024 characters)
 */
function reportLimits(tools: readonly ToolReport[], tokens: number): LimitReport[] {
  const largest = (sizeOf: (tool: ToolReport) => number) => Math.max(0, ...tools.map(sizeOf));
  const namesOf = (isBeyond: (tool: ToolReport) => boolean) => tools.filter(isBeyond).map(({ name }) => name);
  const unusual = namesOf(({ name }) => !/^[A-Za-z_][\w-]*$/.test(name));
  const limits: Omit<LimitReport, 'isExceeded'>[] = [
    { limit: 'tools', value: tools.length, max: 128, tools: [], consequence: 'OpenAI and VS Code refuse more than 128', remedy: fewer },
    { limit: 'tokens', value: tokens, max: 25_000, tools: [], consequence: 'Claude Code warns of more than 25,000', remedy: fewer },
    {
      limit: 'description',
      value: largest(tool => tool.descriptionCharacters),
      max: 1024,
      tools: namesOf(tool => tool.descriptionCharacters > 1024),
      consequence: 'OpenAI refuses more than 1,024',
      remedy: 'Shorten them.',
    },
    {
      limit: 'name',
      value: largest(({ name }) => name.length),
      max: 64,
      tools: namesOf(({ name }) => name.length > 64),
      consequence: 'OpenAI and Gemini refuse more than 64',
      remedy: 'Shorten them.',
    },
    {
      limit: 'nameSyntax',
      value: unusual.length,
      max: 0,
      tools: unusual,
      consequence: 'OpenAI and Gemini refuse them',
      remedy: 'Use letters, digits, `_` and `-`, and begin with a letter.',
    },
  ];
  return limits.map(limit => ({ ...limit, isExceeded: limit.value > limit.max }));
}

function findWarnings(models: readonly ModelReport[]): ReportWarning[] {
  const warnings: ReportWarning[] = [];
  const warn = (kind: ReportWarning['kind'], named: readonly string[], toMessage: (names: string) => string): void => {
    if (named.length > 0) warnings.push({ kind, message: toMessage(named.join(', ')) });
  };
  const secrets = models.flatMap(({ key, hidden }) =>
    hidden.filter(({ reason }) => reason === 'secret').map(({ name }) => `${key}.${name}`),
  );
  warn(
    'secret',
    secrets,
    names =>
      `Hidden, since their names suggest secrets: ${names}. To show such a column, give its model \`omit: { column: false }\`; to hide it without this warning, \`omit: { column: true }\`.`,
  );
  const dropped = models.flatMap(({ key, droppedOperations }) => droppedOperations.map(operation => `${key}_${operation}`));
  warn(
    'operation',
    dropped,
    names => `Left out, since the unique key looks like a secret: ${names}. Show the key, or do not list the operation.`,
  );
  const unindexed = models.flatMap(({ name, unindexed: keys }) => keys.map(key => `${name} @@index([${key}])`));
  warn('index', unindexed, names => `Filters by these foreign keys read whole tables. Add to the schema: ${names}.`);
  const writes = writesWithoutPolicy(models.filter(({ policy }) => policy === 'none'));
  warn('write', writes, names => `Every caller may write every row: ${names}. Add a \`where\`; \`where: {}\` says that this is meant.`);
  return warnings;
}

/** `client (create, update)` for each model where no row policy limits writes. */
function writesWithoutPolicy(models: readonly ModelReport[]): string[] {
  return models.flatMap(({ key, policy, operations }) => {
    const writes = operations.filter(operation => !isRead(operation));
    return showsAll(policy) && writes.length > 0 ? [`${key} (${writes.join(', ')})`] : [];
  });
}

function showsAll(policy: PolicyKind): boolean {
  return policy === 'none' || policy === 'every row';
}

/**
 * The report in one line.
 *
 * `reservations at /mcp: 11 tools (10 for 2 models, 1 own), about 2,400 tokens; row policy: booking; no row policy: client`
 */
export function toLine({ name, path, models, tools, resources, prompts, tokens }: McpReport): string {
  const made = tools.filter(({ from }) => from === 'models').length;
  const own = tools.length - made;
  const forModels = plural(models.length, 'model');
  const counts = [
    models.length === 0
      ? plural(own, 'own tool')
      : own === 0
        ? `${plural(made, 'tool')} for ${forModels}`
        : `${plural(tools.length, 'tool')} (${made} for ${forModels}, ${own} own)`,
    ...countOwn(resources, 'own resource'),
    ...countOwn(prompts, 'own prompt'),
    `about ${plural(roughly(tokens), 'token')}`,
  ];
  const { withPolicy, withoutPolicy, writesWithoutPolicy: writes } = byPolicy(models);
  const policies = [
    ['row policy', withPolicy],
    ['no row policy', withoutPolicy],
    ['writes without row policy', writes],
  ] as const;
  const named = policies.flatMap(([title, names]) => (names.length > 0 ? [`; ${title}: ${shortList(names)}`] : []));
  return `${name} at ${path}: ${counts.join(', ')}${named.join('')}`;
}

/** The same as an object for a log: `{ event: 'mcp.start', name, path, models, tools, tokens, withPolicy: ['booking'], … }`. */
export function toStartEvent({ name, path, models, tools, tokens }: McpReport, node: string): Record<string, unknown> {
  return {
    event: 'mcp.start',
    name,
    path,
    models: models.length,
    tools: tools.length,
    tokens,
    ...byPolicy(models),
    node,
    at: new Date(),
  };
}

function countOwn(definitions: readonly DefinitionReport[], noun: string): string[] {
  const count = definitions.filter(({ from }) => from === 'app').length;
  return count > 0 ? [plural(count, noun)] : [];
}

function byPolicy(models: readonly ModelReport[]): Record<'withPolicy' | 'withoutPolicy' | 'writesWithoutPolicy', string[]> {
  return {
    withPolicy: models.filter(({ policy }) => !showsAll(policy)).map(({ key }) => key),
    withoutPolicy: models.filter(({ policy }) => showsAll(policy)).map(({ key }) => key),
    writesWithoutPolicy: writesWithoutPolicy(models),
  };
}

/** `241 tools: OpenAI and VS Code refuse more than 128. Expose fewer models …` */
export function limitSentence({ limit, value, tools, consequence, remedy }: LimitReport): string {
  const subjects: Readonly<Record<LimitReport['limit'], string>> = {
    tools: plural(value, 'tool'),
    tokens: `about ${plural(roughly(value), 'token')}`,
    description: `descriptions of up to ${plural(value, 'character')}`,
    name: `names of up to ${plural(value, 'character')}`,
    nameSyntax: `${plural(value, 'name')} of other characters`,
  };
  const named = tools.length > 0 ? ` (${shortList(tools)})` : '';
  return `${subjects[limit]}${named}: ${consequence}. ${remedy}`;
}

/** `1 tool`, `1,200 tools` */
export function plural(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `1,200`. `toLocaleString` would load the data of a language at start-up. */
export function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

/** An estimate with the digits that it deserves: 2465 → 2470. */
export function roughly(estimate: number): number {
  return Number(estimate.toPrecision(3));
}

const maxListed = 10;

/** `a, b, … and 290 more` */
function shortList(names: readonly string[]): string {
  const rest = names.length - maxListed;
  return rest > 0 ? `${names.slice(0, maxListed).join(', ')}, … and ${rest} more` : names.join(', ');
}
