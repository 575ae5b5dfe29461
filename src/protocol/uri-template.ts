/** A compiled RFC 6570 URI template. */
export interface UriTemplate {
  readonly template: string;
  /** In order of appearance. */
  readonly variables: readonly string[];
  /** The variables of a URI that the template could have made, decoded; `undefined` if it could not. */
  match(uri: string): Record<string, string> | undefined;
}

interface Expression {
  readonly prefix: string;
  readonly separator: string;
  /** One value, as a regular expression. */
  readonly value: string;
  /** `name=value` pairs (`?` and `&`). */
  readonly named: boolean;
}

const unreserved = '[^/?#&=,;]+?';
const operators: Readonly<Record<string, Expression>> = {
  '': { prefix: '', separator: ',', value: unreserved, named: false },
  '+': { prefix: '', separator: ',', value: '.+?', named: false },
  '#': { prefix: '#', separator: ',', value: '.+?', named: false },
  '.': { prefix: '.', separator: '.', value: unreserved, named: false },
  '/': { prefix: '/', separator: '/', value: unreserved, named: false },
  '?': { prefix: '?', separator: '&', value: '[^&#]*?', named: true },
  '&': { prefix: '&', separator: '&', value: '[^&#]*?', named: true },
};

/**
 * Compiles a URI template of RFC 6570 up to level 3, to match URIs against.
 *
 * `test://template/{id}/data` matches `test://template/123/data` → `{ id: '123' }`
 *
 * Query expressions (`{?a,b}`) match in the declared order, each member optional.
 *
 * @throws {TypeError} For an unclosed, empty, unknown (`;`) or repeated expression.
 */
export function uriTemplate(template: string): UriTemplate {
  const variables: string[] = [];
  let pattern = '';
  let rest = template;
  while (rest !== '') {
    const open = rest.indexOf('{');
    const literal = open === -1 ? rest : rest.slice(0, open);
    if (literal.includes('}')) throw new TypeError(`URI template ${JSON.stringify(template)}: \`}\` without \`{\``);
    pattern += escapeLiteral(literal);
    if (open === -1) break;
    const close = rest.indexOf('}', open);
    if (close === -1) throw new TypeError(`URI template ${JSON.stringify(template)}: \`{\` is never closed`);
    pattern += compileExpression(template, rest.slice(open + 1, close), variables);
    rest = rest.slice(close + 1);
  }
  const regExp = new RegExp(`^${pattern}$`, 'su');
  return { template, variables, match: uri => matchVariables(regExp, variables, uri) };
}

function compileExpression(template: string, expression: string, variables: string[]): string {
  const [, operator, list] = /^([+#./?&]?)([\w.,]+)$/.exec(expression) ?? [];
  const names = list?.split(',');
  if (operator === undefined || names === undefined || names.includes('')) {
    throw new TypeError(`URI template ${JSON.stringify(template)}: {${expression}} is not an expression of RFC 6570 level 3`);
  }
  const { prefix, separator, value, named } = operators[operator] as Expression;
  return names
    .map((name, index) => {
      if (variables.includes(name)) throw new TypeError(`URI template ${JSON.stringify(template)}: {${name}} stands twice`);
      variables.push(name);
      const lead = escapeLiteral(index === 0 ? prefix : separator);
      // A query may begin with any of its members, so each accepts both leads.
      return named ? `(?:[?&]${escapeLiteral(name)}=(${value}))?` : `${lead}(${value})`;
    })
    .join('');
}

function matchVariables(regExp: RegExp, variables: readonly string[], uri: string): Record<string, string> | undefined {
  const match = regExp.exec(uri);
  if (match === null) return undefined;
  const values: Record<string, string> = {};
  for (const [index, name] of variables.entries()) {
    const value = match[index + 1];
    if (value === undefined) continue;
    try {
      values[name] = decodeURIComponent(value);
    } catch {
      return undefined;
    }
  }
  return values;
}

function escapeLiteral(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|/]/gu, String.raw`\$&`);
}
