import { textOf } from './data.ts';
import type { Exposure } from './declaration.ts';
import { promptName, titleOf, visibleKeys } from './declaration.ts';
import type { Maker, Request } from './request.ts';
import { answer, refusal } from './request.ts';
import { completionOf, pathOf, serverName } from './resource-requests.ts';

/** Gets a prompt about a row, by any visible unique key. The row may be hidden or absent. */
export function promptRequest(maker: Maker, exposure: Exposure): Request {
  const { random } = maker;
  const { model, operations } = exposure;
  const key = random.pick(visibleKeys(exposure));
  const row = random.chance(0.92) ? maker.anyRow(model.key) : undefined;
  const args = Object.fromEntries(
    key.fields.map(name => [name, row === undefined ? random.pick(['99', '01', 'none', '']) : textOf(row[name])]),
  );
  return {
    surface: 'prompt',
    operation: 'get',
    method: 'prompts/get',
    params: { name: promptName(exposure, key), arguments: args },
    isWrite: false,
    expect: oracle => {
      const rows = operations.has('findUnique') ? oracle.admitted(model.key, 'findUnique') : [];
      const found = rows.find(each => key.fields.every(name => textOf(each[name]) === args[name]));
      if (found === undefined) return refusal('missing');
      const json = oracle.rowJson(exposure, found);
      return answer({ words: titleOf(json), uri: `${serverName}://${model.key}/${pathOf(model, found)}`, row: json });
    },
  };
}

/** Completes an argument of a prompt. */
export function promptCompletionRequest(maker: Maker, exposure: Exposure): Request {
  const key = maker.random.pick(visibleKeys(exposure));
  return completionOf(maker, exposure, key, { type: 'ref/prompt', name: promptName(exposure, key) });
}
