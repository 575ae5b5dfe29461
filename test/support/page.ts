/** Response headers that a page reads without `Access-Control-Expose-Headers`. */
const readable = ['cache-control', 'content-language', 'content-length', 'content-type', 'expires', 'last-modified', 'pragma'];
/** Content types of requests that need no preflight. */
const simpleTypes = ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'];

/**
 * `fetch` as a page of this origin has it: with a preflight where the Fetch standard wants one, and a `TypeError` where it forbids the answer to
 * the page. The page reads only the headers that are exposed.
 *
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export function pageFetch(origin: string): typeof fetch {
  const site = { origin, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' };
  return async (input, init = {}) => {
    const headers = new Headers(init.headers);
    const method = init.method ?? 'GET';
    const unsafe = [...headers.keys()].filter(name => !isSafe(name, headers.get(name) ?? '')).toSorted();
    if (!['GET', 'HEAD', 'POST'].includes(method) || unsafe.length > 0) {
      const asked = { 'access-control-request-method': method, 'access-control-request-headers': unsafe.join(',') };
      assertGranted(await fetch(input, { method: 'OPTIONS', headers: { ...site, ...asked } }), { origin, method, unsafe });
    }
    for (const [name, value] of Object.entries(site)) headers.set(name, value);
    const response = await fetch(input, { ...init, headers });
    assertNamed(response, origin);
    const exposed = [...readable, ...namesIn(response, 'access-control-expose-headers')];
    const seen = [...response.headers].filter(([name]) => exposed.includes(name));
    return new Response(response.body, { status: response.status, headers: seen });
  };
}

function isSafe(name: string, value: string): boolean {
  if (name === 'content-type') return simpleTypes.includes(value.split(';', 1)[0] ?? '');
  return ['accept', 'accept-language', 'content-language'].includes(name);
}

function assertNamed(response: Response, origin: string): void {
  const named = response.headers.get('access-control-allow-origin');
  if (named !== origin && named !== '*') throw new TypeError(`CORS: ${response.status}, and Access-Control-Allow-Origin is ${named}`);
}

function assertGranted(preflight: Response, { origin, method, unsafe }: { origin: string; method: string; unsafe: string[] }): void {
  assertNamed(preflight, origin);
  if (!preflight.ok) throw new TypeError(`CORS: the preflight was answered ${preflight.status}`);
  const methods = namesIn(preflight, 'access-control-allow-methods');
  if (!['get', 'head', 'post', ...methods].includes(method.toLowerCase())) throw new TypeError(`CORS: ${method} is not allowed`);
  const names = namesIn(preflight, 'access-control-allow-headers');
  for (const name of unsafe) {
    const isAllowed = names.includes(name) || (names.includes('*') && name !== 'authorization');
    if (!isAllowed) throw new TypeError(`CORS: the header ${name} is not allowed`);
  }
}

function namesIn(response: Response, header: string): string[] {
  const names = response.headers.get(header)?.split(',') ?? [];
  return names.map(name => name.trim().toLowerCase());
}
