import type { Client } from 'pg';

/** Where the messages of `sendDurably` are. */
export const durableTable = 'CREATE TABLE IF NOT EXISTS by_hand (stream text, seq int, data text NOT NULL, PRIMARY KEY (stream, seq))';

/** Sends messages to whoever follows a stream, as one writes it by hand: append in a transaction, NOTIFY. */
export function durableSender(client: Client, stream: string): (message: string) => Promise<void> {
  let seq = 0;
  return async message => {
    await client.query('BEGIN');
    await client.query('INSERT INTO by_hand VALUES ($1, $2, $3)', [stream, ++seq, message]);
    await client.query("SELECT pg_notify('by_hand', $1)", [stream]);
    await client.query('COMMIT');
  };
}

/** Follows a stream: LISTEN, and select what is new. */
export async function followDurably(client: Client, stream: string, onMessage: (message: string) => void): Promise<void> {
  let last = 0;
  const look = async () => {
    const select = 'SELECT seq, data FROM by_hand WHERE stream = $1 AND seq > $2 ORDER BY seq';
    const { rows } = await client.query<{ seq: number; data: string }>(select, [stream, last]);
    for (const { seq, data } of rows) {
      last = seq;
      onMessage(data);
    }
  };
  client.on('notification', () => void look().catch(console.error));
  await client.query('LISTEN by_hand');
}
