/** One event of a stream. */
export interface StreamEvent {
  readonly event: string;
  readonly data: string;
  /** `undefined`: the stream has given none so far. */
  readonly id: string | undefined;
  /** Milliseconds that the server asks to wait before a reconnection. */
  readonly retryMs: number | undefined;
}

/**
 * Reads the events of a stream.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = '';
  let isAfterCr = false;
  let id: string | undefined;
  let retryMs: number | undefined;
  let event = '';
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const text = decoder.decode(value, { stream: true });
      // A CR at the end of a chunk has ended its line; an LF behind it is its second half.
      rest += isAfterCr && text.startsWith('\n') ? text.slice(1) : text;
      if (text !== '') isAfterCr = text.endsWith('\r');
      const lines = rest.split(/\r\n|\n|\r/u);
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0 || id !== undefined) yield { event: event || 'message', data: data.join('\n'), id, retryMs };
          event = '';
          data = [];
          continue;
        }
        const [, field = '', text = ''] = /^([^:]*):? ?(.*)$/su.exec(line) ?? [];
        if (field === 'data') data.push(text);
        else if (field === 'event') event = text;
        else if (field === 'id') id = text;
        else if (field === 'retry' && /^\d+$/u.test(text)) retryMs = Number(text);
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
