import { describe, expect, it } from 'vitest';
import { random } from '../chaos/random.ts';
import { fuzz } from './fuzz.ts';
import { mutate, toText, toTree } from './json-tree.ts';
import { storeNames } from './place.ts';
import { ResponseReader } from './responses.ts';

/** Milliseconds of the machine's time, of which a busy one may need more. */
const patienceMs = 120_000;

describe.each(storeNames)('the fuzzer, with sessions in %s', store => {
  it(
    'finds no failure, and at least half of what it sends gets past parsing',
    async () => {
      const { failures, sent, accepted, requests } = await fuzz({ store, seed: 7, requests: 300 });
      expect(failures).toEqual([]);
      expect(requests).toBe(300);
      expect(accepted).toBeGreaterThan(sent / 2);
    },
    patienceMs,
  );
});

describe('mutated messages', () => {
  it('are decided by their seed, and differ', () => {
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: { text: 'hi', times: [1, 2] } } };
    const of = (seed: number) => toText(mutate(toTree(message), random(seed)));
    const texts = Array.from({ length: 50 }, (_, seed) => of(seed));
    expect(texts).toEqual(Array.from({ length: 50 }, (_, seed) => of(seed)));
    expect(new Set(texts).size).toBeGreaterThan(40);
  });
});

describe('ResponseReader', () => {
  it('reads responses of all framings, whatever the pieces are', () => {
    const text = [
      'HTTP/1.1 100 Continue\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}',
      'HTTP/1.1 204 No Content\r\n\r\n',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n9\r\nid: 7\ndat\r\n6\r\na: x\n\n\r\n0\r\n\r\n',
      'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nno',
    ].join('');
    for (const size of [1, 3, 1000]) {
      const reader = new ResponseReader(['POST', 'POST', 'POST', 'POST']);
      for (let at = 0; at < text.length; at += size) reader.feed(Buffer.from(text.slice(at, at + size)));
      reader.close();
      expect(reader.broken).toBeUndefined();
      expect(reader.responses.map(({ status, body, isWhole }) => [status, body, isWhole])).toEqual([
        [200, '{}', true],
        [204, '', true],
        [200, '', true],
        [400, 'no', true],
      ]);
      expect(reader.responses[2]?.events).toEqual([{ id: '7', name: undefined, data: 'x' }]);
    }
  });
});
