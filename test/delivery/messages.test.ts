import { describe, expect, it } from 'vitest';
import {
  encodeCallEvent,
  encodeStreamMail,
  parseBroadcast,
  parseCallEvent,
  parseCallMail,
  parseNodeMail,
  parseStreamMail,
} from '../../src/delivery/messages.ts';

/** What no reader of the log may stumble over. */
const malformed = ['', 'null', '1', '"text"', '[]', '{}', '{', '\n', '{"unknown":1}', '\ud800'];

describe('parseBroadcast', () => {
  it.each([
    { list: 'tools' },
    { list: 'resources' },
    { list: 'prompts' },
    { uri: 'a://b' },
    { uri: '' },
    { ended: 's' },
    { changed: 's' },
    { leaving: 'n' },
  ])('reads %j', broadcast => {
    expect(parseBroadcast(JSON.stringify(broadcast))).toEqual(broadcast);
  });

  it.each([
    ...malformed,
    '{"list":"roots"}',
    '{"list":["tools"]}',
    '{"uri":5}',
    '{"uri":null}',
    '{"ended":true}',
    '{"changed":{}}',
    '{"leaving":1}',
  ])('skips %j', data => {
    expect(parseBroadcast(data)).toBeUndefined();
  });
});

describe('parseCallMail', () => {
  it.each([
    { cancel: 'a', reason: undefined },
    { cancel: 0, reason: 'why' },
    { answer: { jsonrpc: '2.0', id: 'x', result: { a: 1 } } },
    { answer: { jsonrpc: '2.0', id: 'x', error: { code: -1, message: 'no' } } },
  ])('reads %j', mail => {
    expect(parseCallMail(JSON.stringify(mail))).toEqual(mail);
  });

  it('drops a reason that is no text', () => {
    expect(parseCallMail('{"cancel":1,"reason":{"a":1}}')).toEqual({ cancel: 1, reason: undefined });
  });

  it.each([
    ...malformed,
    '{"cancel":null}',
    '{"cancel":1.5}',
    '{"cancel":{}}',
    '{"reason":"why"}',
    '{"answer":null}',
    '{"answer":{"id":"x","result":{}}}',
    '{"answer":{"jsonrpc":"2.0","id":"x"}}',
    '{"answer":{"jsonrpc":"2.0","id":1,"method":"ping"}}',
    '{"answer":{"jsonrpc":"2.0","method":"ping"}}',
  ])('skips %j', data => {
    expect(parseCallMail(data)).toBeUndefined();
  });
});

describe('parseNodeMail', () => {
  it.each([{ resume: 'c.x', sessionId: 's', by: 'x' }, { beat: true }])('reads %j', mail => {
    expect(parseNodeMail(JSON.stringify(mail))).toEqual(mail);
  });

  it.each([
    ...malformed,
    '{"resume":"c.x","sessionId":"s"}',
    '{"sessionId":"s","by":"x"}',
    '{"resume":1,"sessionId":"s","by":"x"}',
    '{"resume":"c.x","sessionId":"s","by":1}',
    '{"beat":false}',
    '{"beat":1}',
  ])('skips %j', data => {
    expect(parseNodeMail(data)).toBeUndefined();
  });
});

describe('parseStreamMail', () => {
  it.each([
    { taken: 'node/run.x' },
    { subscribed: 'a://b' },
    { unsubscribed: 'a://b' },
    { accepted: 1, by: 'run' },
    { accepted: 'a', by: 'run' },
    { refused: 0 },
    { message: '{"jsonrpc":"2.0"}', of: 1, isResponse: false },
    { message: 'a\nb\n', of: 7, isResponse: true },
    { message: '', of: 'r', isResponse: true },
  ])('reads %j', mail => {
    expect(parseStreamMail(encodeStreamMail(mail))).toEqual(mail);
  });

  it('writes a message as it is behind its head, since it may be long', () => {
    expect(encodeStreamMail({ message: '{"a":"\\n"}', of: 1, isResponse: true })).toBe('{"of":1,"isResponse":true}\n{"a":"\\n"}');
  });

  it.each([
    ...malformed.filter(data => data !== '\n'),
    '\ntext',
    '{"of":null}\ntext',
    '{"isResponse":true}\ntext',
    'no head\ntext',
    '{"accepted":1}',
    '{"accepted":1,"by":2}',
    '{"accepted":null,"by":"run"}',
    '{"by":"run"}',
    '{"refused":1.5}',
    '{"taken":1}',
    '{"subscribed":1}',
    '{"unsubscribed":false}',
    '{"message":"without a line"}',
  ])('skips %j', data => {
    expect(parseStreamMail(data)).toBeUndefined();
  });
});

describe('parseCallEvent', () => {
  it.each([
    { seq: 1, isLast: false, message: '{}' },
    { seq: 12, isLast: true, message: 'two\nlines\n' },
    { seq: 900_000_000, isLast: true, message: '' },
  ])('reads %j', event => {
    expect(parseCallEvent(encodeCallEvent(event))).toEqual(event);
  });

  it.each(['', '1', '1!', 'x\n{}', '-1\n{}', '1.5\n{}', '1!!\n{}', ' 1\n{}', '\n{}', '1234567890\n{}'])('skips %j', data => {
    expect(parseCallEvent(data)).toBeUndefined();
  });
});
