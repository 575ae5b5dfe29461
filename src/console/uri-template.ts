/**
 * The names of the variables of a URI template.
 *
 * `house://dish/{name}{?lang}` → `['name', 'lang']`
 */
export function variablesOf(template: string): string[] {
  return [...template.matchAll(expression)].flatMap(([, , names = '']) => names.split(',').map(nameOf));
}

const expression = /\{([+#./;?&]?)([^}]*)\}/gu;

function nameOf(variable: string): string {
  return variable.replace(/(?:\*|:\d+)$/u, '');
}

/** How the values of an expression are written: RFC 6570, appendix A. */
const forms: Readonly<Record<string, { first: string; separator: string; isNamed: boolean; isRaw: boolean }>> = {
  '': { first: '', separator: ',', isNamed: false, isRaw: false },
  '+': { first: '', separator: ',', isNamed: false, isRaw: true },
  '#': { first: '#', separator: ',', isNamed: false, isRaw: true },
  '.': { first: '.', separator: '.', isNamed: false, isRaw: false },
  '/': { first: '/', separator: '/', isNamed: false, isRaw: false },
  ';': { first: ';', separator: ';', isNamed: true, isRaw: false },
  '?': { first: '?', separator: '&', isNamed: true, isRaw: false },
  '&': { first: '&', separator: '&', isNamed: true, isRaw: false },
};

/** The URI of a template with values. Variables without a value are left out. */
export function expand(template: string, values: Readonly<Record<string, string>>): string {
  return template.replaceAll(expression, (_, operator: string, names: string) => {
    const form = forms[operator] ?? { first: '', separator: ',', isNamed: false, isRaw: false };
    const parts = names.split(',').flatMap(variable => {
      const name = nameOf(variable);
      const value = values[name];
      if (value === undefined || value === '') return [];
      const text = form.isRaw ? encodeURI(value) : strict(value);
      return [form.isNamed ? `${name}=${text}` : text];
    });
    return parts.length === 0 ? '' : form.first + parts.join(form.separator);
  });
}

function strict(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/gu, char => `%${char.codePointAt(0)?.toString(16).toUpperCase() ?? ''}`);
}
