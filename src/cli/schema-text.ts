/** A block of a Prisma schema, such as a model, with its place in the text. */
export interface SchemaBlock {
  readonly name: string;
  /** From the keyword to the closing brace. */
  readonly text: string;
  /** The offset of the keyword. */
  readonly start: number;
  /** The offset behind the closing brace. */
  readonly end: number;
}

/** The blocks of a kind that a schema has outside its comments. */
export function findBlocks(schema: string, keyword: 'datasource' | 'generator' | 'model'): SchemaBlock[] {
  const pattern = new RegExp(`^[ \\t]*(${keyword}\\s+(\\w+)\\s*\\{[\\s\\S]*?^[ \\t]*\\})`, 'gm');
  return [...withoutComments(schema).matchAll(pattern)].map(({ 0: whole, 1: block = '', 2: name = '', index }) => {
    const start = index + whole.length - block.length;
    const end = start + block.length;
    return { name, text: schema.slice(start, end), start, end };
  });
}

/** Where the line of an offset begins, or the `///` comment above that line. */
export function startWithComment(schema: string, offset: number): number {
  let start = schema.lastIndexOf('\n', offset - 1) + 1;
  while (start > 0) {
    const above = schema.lastIndexOf('\n', start - 2) + 1;
    if (!/^[ \t]*\/\/\//.test(schema.slice(above, start))) break;
    start = above;
  }
  return start;
}

/** Where the line of an offset ends. */
export function lineEndAfter(schema: string, offset: number): number {
  return offset + (/^.*/.exec(schema.slice(offset))?.[0].length ?? 0);
}

/** The value of a setting in a datasource or generator, such as `provider`: its texts, of a list or alone. None if it is `env(…)`. */
export function settingOf({ text }: Pick<SchemaBlock, 'text'>, setting: string): string[] {
  const value = new RegExp(`^[ \\t]*${setting}\\s*=\\s*(\\[[^\\]]*\\]|.*$)`, 'm').exec(withoutComments(text))?.[1] ?? '';
  if (value.startsWith('env(')) return [];
  return [...value.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, each = '']) => each);
}

/** A field of a model, or an attribute of the whole model. */
export interface ModelLine {
  /** A field's name; `@@index(principal,expiresAt)`, without options, of an attribute. */
  readonly key: string;
  /** Without comments, with single blanks. */
  readonly text: string;
  /** The offset of the line in the model's text, and the one behind its end. */
  readonly start: number;
  readonly end: number;
}

/** The fields and attributes of a model. */
export function linesOf({ text }: Pick<SchemaBlock, 'text'>): ModelLine[] {
  const lines: ModelLine[] = [];
  for (const { 0: line, index } of withoutComments(text).matchAll(/^.*$/gm)) {
    const plain = line.trim().replaceAll(/\s+/g, ' ');
    const isLine = /^(?:\w+ \w|@@\w)/.test(plain) && !plain.endsWith('{');
    if (isLine) lines.push({ key: keyOf(plain), text: plain, start: index, end: index + line.length });
  }
  return lines;
}

function keyOf(line: string): string {
  const attribute = /^@@(\w+)(?:\s*\(\s*(?:fields\s*:\s*)?\[([^\]]*)\])?/.exec(line);
  if (attribute === null) return /^\w+/.exec(line)?.[0] ?? line;
  const [, name = '', fields] = attribute;
  return fields === undefined ? `@@${name}` : `@@${name}(${fields.replaceAll(/\s|\([^)]*\)/g, '')})`;
}

/** The same text with blanks in place of comments, so that offsets stay. Texts in quotes are no comments. */
function withoutComments(schema: string): string {
  const pattern = /"(?:[^"\\\n]|\\.)*"|\/\/.*|\/\*[\s\S]*?\*\//g;
  return schema.replace(pattern, part => (part.startsWith('"') ? part : part.replaceAll(/[^\r\n]/g, ' ')));
}

/** The kind of line ends that a text has most of. */
export function lineEndOf(text: string): '\n' | '\r\n' {
  const windows = text.match(/\r\n/g)?.length ?? 0;
  return windows > 0 && windows * 2 >= (text.match(/\n/g)?.length ?? 0) ? '\r\n' : '\n';
}
