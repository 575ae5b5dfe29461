import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import type { Random } from '../chaos/random.ts';

/** An HTTP request before it becomes bytes. */
export interface Draft {
  verb: string;
  path: string;
  headers: [name: string, value: string][];
  /** The body as text. */
  body: string | undefined;
}

/** How the bytes of a request go out. */
export type Delivery =
  | 'whole'
  /** In pieces, with pauses. */
  | 'slow'
  /** The client sends nothing more after it, and reads. */
  | 'half-closed'
  /** A part, and then the client sends nothing more. */
  | 'cut'
  /** A part, and then nothing: the client keeps the socket open. */
  | 'stalled'
  /** A part or all, and then the connection is reset. */
  | 'reset';

/** The bytes of a request. */
export interface Wire {
  readonly verb: string;
  readonly head: string;
  /** The body before it was compressed, framed or cut. */
  readonly body: string | undefined;
  readonly bytes: Buffer;
  readonly delivery: Delivery;
}

const otherHeaders: Readonly<Record<string, readonly string[]>> = {
  accept: [
    '',
    '*/*',
    'application/json',
    'text/event-stream',
    'text/html',
    'application/json;q=0',
    'text/event-stream;q=0, */*;q=0.1',
    ';;;',
    'application/json, '.repeat(400),
    '*',
    'application/*;q=nan',
  ],
  'content-type': [
    '',
    'text/plain',
    'application/json; charset=utf-16',
    'application/json; charset=nothing',
    'APPLICATION/JSON',
    'application/json;',
    'application/json-rpc',
    'multipart/form-data; boundary=x',
    'application/json, application/json',
    'application/x-www-form-urlencoded',
  ],
  'mcp-session-id': [
    '',
    'x',
    '../x',
    'a'.repeat(5000),
    '00000000-0000-4000-8000-000000000000',
    '%00',
    '\u00e9',
    "' OR 1=1",
    '__proto__',
    'a, b',
  ],
  'mcp-protocol-version': [
    '',
    '2024-11-05',
    '2025-03-26',
    '2025-06-18',
    '2025-11-25',
    '2026-07-28',
    ' 2026-07-28 ',
    '1',
    '__proto__',
    '2025-11-25, 2025-11-25',
    '9999-99-99',
  ],
  'mcp-method': ['', 'tools/list', '=?base64?dG9vbHMvbGlzdA==?=', '=?base64?!!!?=', '=?base64?/w==?=', '__proto__'],
  'mcp-name': ['', 'echo', '=?base64?ZWNobw==?=', '=?base64?ZWNobw?=', '=?base64?4oKs?=', '=?base64?=?=', 'test://fixed'],
  'mcp-param-region': ['', 'eu', '=?base64?ZXUgd2VzdA==?=', 'EU WEST'],
  'mcp-param-count': ['3.0', '3e0', '4', 'x', '0x3', '1e400'],
  host: [
    '',
    'example.com',
    'localhost',
    '127.0.0.1:99999',
    'user@localhost',
    '[::1]',
    '[::1',
    'localhost:',
    'LOCALHOST',
    'xn--a',
    'a b',
    '127.1',
    '0x7f.1',
    'localhost.',
  ],
  origin: [
    '',
    'null',
    'http://localhost',
    'http://localhost:1',
    'https://evil.example',
    'http://',
    'http://[',
    'file://',
    'http://localhost@evil.example',
  ],
  'sec-fetch-site': ['cross-site', 'same-site', 'none', 'same-origin', 'x'],
  'last-event-id': ['', '0', '-1', 'a', 'a-b-c', '9'.repeat(300), '1_1', '1.5', '__proto__', 'x'.repeat(9000), '\u00ff'],
  expect: ['100-continue', '200-ok', ''],
  connection: ['close', 'Upgrade', 'keep-alive, Upgrade', 'content-length', 'x'],
  upgrade: ['websocket', 'h2c'],
  'x-operator': ['yes', 'no'],
  'x-forwarded-for': ['1.2.3.4', '127.0.0.1, x'],
  'x-forwarded-host': ['evil.example'],
  te: ['trailers', 'chunked'],
  trailer: ['content-length'],
  cookie: ['a=b; '.repeat(1000), '=', ';;;'],
  authorization: ['Bearer x', 'Basic !', ''],
  'x-long': ['x'.repeat(17_000)],
  range: ['bytes=0-1'],
  'if-none-match': ['*'],
  prefer: ['wait=0'],
};

const otherVerbs = [
  'GET',
  'HEAD',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'POST',
  'QUERY',
  'post',
  'PROPFIND',
  'M-SEARCH',
  'XYZ',
];
const otherPaths = [
  '/',
  '/mcp/',
  '//mcp',
  '/mcp/../mcp',
  '/mcp/messages',
  '/mcp/sse',
  '/mcp/sessions',
  '/mcp/sessions/x',
  '/mcp/sessions/%ff',
  '/mcp/sessions/%E0%A4%A',
  '/mcp/sessions?limit=x&cursor=y',
  '/mcp/health',
  '/mcp/health/live',
  '/mcp/health/%',
  '/mcp/health/ready',
  '/MCP',
  '/mcp%2f',
  '/mcp?',
  '/mcp?sessionId=a&sessionId=b',
  '/mcp/messages?sessionId=',
  '/mcp/messages?sessionId=%',
  '/mcp/messages?sessionId[]=a',
  '/mcp#x',
  '*',
  'http://localhost/mcp',
  'http://[/mcp',
  'mcp',
  '/%',
  '/mcp;a=b',
  '/mcp\u00e9',
  '/mcp?a=%',
  '/mcp?__proto__=1&constructor=2',
  `/mcp?${'a=b&'.repeat(1500)}`,
  '/compact',
  '/compact/sse',
  '/mcp/messages/x',
];

/** Changes a header, the path or the verb. */
export function mutateHead(draft: Draft, random: Random): void {
  const kind = random.next();
  if (kind < 0.08) draft.verb = random.pick(otherVerbs);
  else if (kind < 0.18) draft.path = random.pick(otherPaths);
  else if (kind < 0.3 && draft.headers.length > 0) {
    const at = random.between(0, draft.headers.length - 1);
    const [name, value] = draft.headers[at] ?? ['', ''];
    const how = random.next();
    if (how < 0.4) draft.headers.splice(at, 1);
    else if (how < 0.65) draft.headers.splice(at, 0, [name, value]);
    else
      draft.headers[at] = [
        name,
        random.pick([value.slice(1), `${value} `, `${value}, ${value}`, value.toUpperCase(), `${value}\u00e9`, `\t${value}`]),
      ];
  } else if (kind < 0.34) {
    draft.headers.push(
      random.pick<[string, string]>([
        ['x y', 'a'],
        ['', 'a'],
        ['x\u0000', 'a'],
        ['x', 'a\u0000b'],
        ['x', 'a\rb'],
        ['x', 'a\r\n b'],
        ['__proto__', 'a'],
        ['constructor', 'a'],
        ['content-length', '3'],
        ['transfer-encoding', 'chunked'],
      ]),
    );
  } else {
    const name = random.pick(Object.keys(otherHeaders));
    const value = random.pick(otherHeaders[name] ?? ['']);
    if (random.chance(0.75)) draft.headers = draft.headers.filter(([other]) => other !== name);
    draft.headers.push([name, value]);
  }
}

/** The bytes of a request, framed as they must be. */
export function plain(draft: Draft, delivery: Delivery = 'whole'): Wire {
  const bytes = draft.body === undefined ? undefined : Buffer.from(draft.body);
  const headers: [string, string][] = bytes === undefined ? draft.headers : [...draft.headers, ['content-length', String(bytes.length)]];
  return toWire({ ...draft, headers }, bytes, delivery);
}

function toWire({ verb, path, headers, body }: Draft, bytes: Buffer = Buffer.alloc(0), delivery: Delivery = 'whole'): Wire {
  const head = `${verb} ${path} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return { verb, head, body, bytes: Buffer.concat([Buffer.from(head, 'latin1'), bytes]), delivery };
}

/** The bytes of a request whose body is framed, compressed or sent in an odd way. Some of the ways are right. */
export function odd(draft: Draft, random: Random): Wire {
  const kind = random.next();
  if (kind < 0.35)
    return plain(draft, random.pick<Delivery>(['slow', 'slow', 'half-closed', 'half-closed', 'cut', 'cut', 'reset', 'stalled']));
  const body = Buffer.from(draft.body ?? '');
  const add = (more: [string, string][]): Draft => ({ ...draft, headers: [...draft.headers, ...more] });
  const length = (count: number): [string, string] => ['content-length', String(count)];
  if (kind < 0.55) {
    const chunks = chunked(body, random);
    const more = random.pick<[string, string][]>([
      [],
      [],
      [],
      [length(body.length)],
      [length(0)],
      [['transfer-encoding', 'gzip']],
      [['transfer-encoding', 'chunked']],
    ]);
    return toWire(
      add([
        ...more,
        ['transfer-encoding', random.pick(['chunked', 'chunked', 'chunked', 'Chunked', 'gzip, chunked', 'chunked, identity', 'x'])],
      ]),
      chunks,
    );
  }
  if (kind < 0.7) {
    const count = random.pick([
      String(body.length - 1),
      String(body.length + 1),
      '0',
      '-1',
      '1e3',
      '0x10',
      '',
      ' ',
      `${body.length}, ${body.length}`,
      '99999999999',
      '4194305',
      `+${body.length}`,
    ]);
    return toWire(add([['content-length', count]]), body, random.pick<Delivery>(['whole', 'half-closed', 'half-closed']));
  }
  if (kind < 0.75) return toWire(draft, body, 'half-closed');
  return encoded(draft, body, random);
}

function encoded(draft: Draft, body: Buffer, random: Random): Wire {
  const [name, compress] = random.pick<readonly [string, (data: Buffer) => Buffer]>([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
    ['x-gzip', gzipSync],
    ['gzip, gzip', data => gzipSync(gzipSync(data))],
    ['zstd', gzipSync],
    ['identity', data => data],
    ['__proto__', gzipSync],
  ]);
  let bytes = compress(body);
  const kind = random.next();
  if (kind < 0.2) bytes = bytes.subarray(0, random.between(0, bytes.length));
  else if (kind < 0.4) bytes = body;
  else if (kind < 0.5) bytes = Buffer.concat([bytes, Buffer.from('more')]);
  else if (kind < 0.6) bytes = compress(Buffer.alloc(random.pick([5_000_000, 30_000_000]), ' '));
  else if (kind < 0.7 && bytes.length > 0) {
    const at = random.between(0, bytes.length - 1);
    bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([random.between(0, 255)]), bytes.subarray(at + 1)]);
  }
  return toWire({ ...draft, headers: [...draft.headers, ['content-encoding', name], ['content-length', String(bytes.length)]] }, bytes);
}

function chunked(body: Buffer, random: Random): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const size = Math.min(body.length - at, random.pick([1, 7, 100, 10_000]));
    const said = random.chance(0.98)
      ? size.toString(16)
      : random.pick(['', 'g', '-1', 'ffffffffffffffffff', `${size.toString(16)};a=b`, `0${size.toString(16)}`, ` ${size}`]);
    parts.push(Buffer.from(`${said}\r\n`), body.subarray(at, at + size), Buffer.from('\r\n'));
    at += size;
    // A body of single bytes would be all frames.
    if (parts.length > 300) {
      parts.push(Buffer.from(`${(body.length - at).toString(16)}\r\n`), body.subarray(at), Buffer.from('\r\n'));
      if (at === body.length) parts.splice(-3);
      break;
    }
  }
  const end = random.pick(['0\r\n\r\n', '0\r\n\r\n', '0\r\n\r\n', '0\r\nx: y\r\n\r\n', '0\r\ncontent-length: 1\r\n\r\n', '00\r\n\r\n']);
  return Buffer.concat([...parts, Buffer.from(end)]);
}
