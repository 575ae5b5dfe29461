/** A message between processes: its sender, and the topics that are woken. */
export interface WakeUp {
  readonly from: string;
  readonly topics: readonly string[] | 'all';
}

/**
 * Encodes wake-ups as ASCII texts, so that one character is one byte in any encoding.
 *
 * `('n1', ['a', 'ü'], 7000)` → `['{"from":"n1","topics":["a","\\u00fc"]}']`
 *
 * @param maxBytes Most bytes in one text. It must hold one topic, which takes up to 1,300 bytes.
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

/** Makes a function that takes texts from other processes and wakes their topics. It ignores texts that are no wake-ups. */
export function receiver(own: string, topics: { wake(topic: string): void; wakeAll(): void }): (text: string) => void {
  return text => {
    const wakeUp = decodeWakeUp(text);
    // This process has already woken its own topics when it published them.
    if (!wakeUp || wakeUp.from === own) return;
    if (wakeUp.topics === 'all') topics.wakeAll();
    else for (const topic of wakeUp.topics) topics.wake(topic);
  };
}

/** The wake-up in a text; `undefined` if the text is not a wake-up. */
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
