/** What travels between processes: who sent it, and which topics to look at. */
export interface WakeUp {
  readonly from: string;
  readonly topics: readonly string[] | 'all';
}

/**
 * Wake-ups as text, in ASCII whatever the topics are, so that a character is a byte in any encoding.
 *
 * `('n1', ['a', 'ü'], 7000)` → `['{"from":"n1","topics":["a","\\u00fc"]}']`
 *
 * @param maxBytes Length of one text; must hold one topic, 1,300 bytes at worst.
 */
export function encodeWakeUps(from: string, topics: Iterable<string> | 'all', maxBytes: number): string[] {
  const head = `{"from":${toAscii(from)},"topics":`;
  if (topics === 'all') return [`${head}"all"}`];
  const texts: string[] = [];
  let list = '';
  for (const topic of topics) {
    const item = toAscii(topic);
    if (list !== '' && head.length + list.length + item.length + '[,]}'.length > maxBytes) {
      texts.push(`${head}[${list}]}`);
      list = '';
    }
    list += list === '' ? item : `,${item}`;
  }
  if (list !== '') texts.push(`${head}[${list}]}`);
  return texts;
}

/** Takes texts of other processes and wakes what they name. What anybody else says on the same channel is left alone. */
export function receiver(own: string, topics: { wake(topic: string): void; wakeAll(): void }): (text: string) => void {
  return text => {
    const wakeUp = decodeWakeUp(text);
    // Our own have woken the topics here when they were published.
    if (!wakeUp || wakeUp.from === own) return;
    if (wakeUp.topics === 'all') topics.wakeAll();
    else for (const topic of wakeUp.topics) topics.wake(topic);
  };
}

/** The wake-up in a text; `undefined` if it is none. */
export function decodeWakeUp(text: string): WakeUp | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { from, topics } = value as { from?: unknown; topics?: unknown };
  if (typeof from !== 'string') return undefined;
  if (topics === 'all') return { from, topics };
  if (!Array.isArray(topics)) return undefined;
  return { from, topics: topics.filter(topic => typeof topic === 'string') };
}

function toAscii(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
