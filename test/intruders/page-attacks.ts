import type { Json } from '../security/world.ts';

/**
 * The ways in which a page of another site can send requests. Each function runs in the page, knows nothing but its argument, and resolves with
 * what the page can read of the answer: '' for nothing.
 */
export const pageAttacks: Readonly<Record<string, (url: string) => Promise<string>>> = {
  'fetch of a call': async url => {
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'act', arguments: {} } };
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    return fetch(url, { method: 'POST', headers, body: JSON.stringify(message) }).then(
      response => response.text(),
      () => '',
    );
  },
  'fetch of initialize': async url => {
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'page', version: '1' } };
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const message = { jsonrpc: '2.0', id: 1, method: 'initialize', params };
    return fetch(url, { method: 'POST', headers, body: JSON.stringify(message) }).then(
      response => response.text(),
      () => '',
    );
  },
  'fetch of initialize as text/plain, which needs no preflight': async url => {
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'page', version: '1' } };
    const message = { jsonrpc: '2.0', id: 1, method: 'initialize', params };
    return fetch(url, { method: 'POST', body: JSON.stringify(message) }).then(
      response => response.text(),
      () => '',
    );
  },
  'fetch without CORS': async url => {
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'page', version: '1' } };
    const message = { jsonrpc: '2.0', id: 1, method: 'initialize', params };
    return fetch(url, { method: 'POST', mode: 'no-cors', body: JSON.stringify(message) }).then(
      response => response.text(),
      () => '',
    );
  },
  'fetch of a stream without CORS': async url =>
    fetch(url.replace('?', '/sse?'), { mode: 'no-cors' }).then(
      response => response.text(),
      () => '',
    ),
  'a form': async url => {
    const { document } = globalThis as Json;
    const frame = document.createElement('iframe');
    frame.name = 'answer';
    const form = document.createElement('form');
    Object.assign(form, { method: 'post', action: url, enctype: 'text/plain', target: 'answer' });
    const field = document.createElement('input');
    // The body is `name=value`: JSON, with the sign in a text.
    field.name = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"act","arguments":{"a":"';
    field.value = '"}}}';
    form.append(field);
    document.body.append(frame, form);
    const loaded = new Promise(resolve => frame.addEventListener('load', resolve));
    form.submit();
    await loaded;
    return frame.contentDocument?.body.textContent ?? '';
  },
  ...Object.fromEntries(
    ['img', 'script', 'link', 'iframe', 'audio'].map(tag => [
      `<${tag}> of a stream`,
      // A function that is sent to a page cannot see `tag`, so the URL carries it.
      async (url: string) => {
        const name = new URL(url).searchParams.get('try')?.replaceAll(/[<>]| .*/gu, '') ?? '';
        const { document } = globalThis as Json;
        const element = document.createElement(name);
        const source = url.replace('?', '/sse?');
        Object.assign(element, { rel: 'stylesheet', href: source, src: source });
        const done = new Promise(resolve => {
          for (const event of ['load', 'error']) element.addEventListener(event, resolve);
        });
        document.body.append(element);
        await done;
        return element.contentDocument?.body.textContent ?? '';
      },
    ]),
  ),
  EventSource: async url => {
    const source = new EventSource(url.replace('?', '/sse?'));
    return new Promise(resolve => {
      source.addEventListener('endpoint', ({ data }: Json) => resolve(data));
      source.addEventListener('error', () => {
        source.close();
        resolve('');
      });
    });
  },
  'sendBeacon of text': async url => {
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'act', arguments: {} } };
    (globalThis as Json).navigator.sendBeacon(url, JSON.stringify(message));
    return '';
  },
  'sendBeacon of JSON': async url => {
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'act', arguments: {} } };
    (globalThis as Json).navigator.sendBeacon(url, new Blob([JSON.stringify(message)], { type: 'application/json' }));
    return '';
  },
};
