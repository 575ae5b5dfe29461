import { modernRequest } from '../support/modern.ts';
import type { WireMessage } from '../support/schemas.ts';
import type { Outcome } from './exchange.ts';
import { exchange } from './exchange.ts';
import type { Random } from './random.ts';
import type { ChaosClient, World } from './world.ts';
import { think } from './world.ts';

const capabilities = { elicitation: { form: {} } };

/** A client of 2026-07-28: no session, every request for itself. */
export function modernClient(name: string, world: World, random: Random): ChaosClient {
  let nextId = 1;
  const { ledger } = world;

  /** A call to its response; `undefined` if it was refused, or failed with its process. */
  const call = async (params: Record<string, unknown>, progressToken?: number): Promise<WireMessage | undefined> => {
    const id = nextId++;
    ledger.count('calls');
    const { body, headers } = modernRequest('tools/call', params, { id, capabilities, ...(progressToken && { progressToken }) });
    const outcome = await exchange({ url: world.cluster.url, body, headers });
    const responses = await responsesOf(outcome, id);
    const [response] = responses;
    if (responses.length > 1) ledger.breach(`${name}: ${responses.length} responses to a call`);
    if (response?.result !== undefined) ledger.count('answered');
    else if (outcome.kind === 'refused') ledger.count('refused');
    else if (response === undefined && ledger.hasEnded(outcome.process)) ledger.count('failedWithProcess');
    else ledger.breach(`${name}: a call at ${ledger.endOf(outcome.process)} came to ${outcome.kind} ${JSON.stringify(response)}`);
    return response?.result === undefined ? undefined : response;
  };

  const form = async () => {
    const asked = (await call({ name: 'form', arguments: {} }))?.result;
    if (asked === undefined) return;
    const [key = ''] = Object.keys(asked.inputRequests);
    // Some people close the form.
    if (random.chance(0.2)) return;
    await think(world, random, 50, 1000);
    const inputResponses = { [key]: { action: 'accept', content: { name: 'Ada', people: 3 } } };
    const answered = await call({ name: 'form', arguments: {}, requestState: asked.requestState, inputResponses });
    if (answered !== undefined && answered.result.content?.[0]?.text !== 'Ada')
      ledger.breach(`${name}: the form came to ${JSON.stringify(answered)}`);
  };

  return {
    name,
    async run() {
      while (!world.calling.aborted) {
        await think(world, random, 300, 2500);
        const choice = random.between(0, 3);
        if (choice === 0) await form();
        else if (choice === 1) await call({ name: 'count', arguments: { to: random.between(2, 8), stepMs: 100 } }, nextId);
        else await call({ name: 'process', arguments: {} });
      }
    },
    async finish() {},
  };
}

async function responsesOf(outcome: Outcome, id: number): Promise<WireMessage[]> {
  if (outcome.kind === 'message') return [outcome.message];
  if (outcome.kind !== 'stream') return [];
  const messages = await outcome.reader.end().catch(() => outcome.reader.messages);
  return messages.filter(message => message.id === id && message.method === undefined);
}
