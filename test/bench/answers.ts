import { isDeepStrictEqual } from 'node:util';
import type { Post } from './requests.ts';

/** What a lane answered, as far as lanes must agree. */
export interface Answer {
  readonly headers: Readonly<Record<string, string | null>>;
  readonly body: string;
}

/** Sends a request once. @throws {Error} It was answered an error. */
export async function ask(url: string, { headers, body }: Post): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', headers, body });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text}`);
  const named = ['content-type', 'content-length', 'cache-control'].map(name => [name, response.headers.get(name)]);
  return { headers: Object.fromEntries(named) as Answer['headers'], body: text };
}

/** Fails unless both answers have the same bytes and content headers. Ids of events are random and do not count. */
export function assertSameBytes(name: string, answer: Answer, against: Answer): void {
  const [one, other] = [answer, against].map(({ headers, body }) => ({ headers, body: body.replace(/^id: .*$/gm, 'id: *') }));
  if (!isDeepStrictEqual(one, other)) throw differ(name, one, other);
}

/** Fails unless both answers carry the same result, whatever else is in it. */
export function assertSameContent(name: string, answer: Answer, against: Answer): void {
  const [one, other] = [answer, against].map(contentOf);
  if (!isDeepStrictEqual(one, other)) throw differ(name, one, other);
}

/** The messages of an answer, JSON or a stream: notifications, and what tools gave. */
function contentOf({ headers, body }: Answer): unknown[] {
  const isStream = headers['content-type']?.startsWith('text/event-stream') ?? false;
  const texts = isStream ? [...body.matchAll(/^data: (.+)$/gm)].map(([, data = '']) => data) : [body];
  return texts.map(text => {
    const { method, params, result } = JSON.parse(text) as { method?: string; params?: object; result?: Record<string, unknown> };
    if (result === undefined) return { method, params };
    const { content, tools } = result;
    return { content, tools: Array.isArray(tools) ? tools.map(({ name, description }) => ({ name, description })) : undefined };
  });
}

function differ(name: string, one: unknown, other: unknown): Error {
  const [left, right] = [one, other].map(value => JSON.stringify(value).slice(0, 1500));
  return new Error(`${name} answers something else:\n${left}\n${right}`);
}
