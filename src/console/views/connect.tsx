import { textIn } from '../client/wire.ts';
import { setups } from '../clients.ts';
import { Code } from '../components/parts.tsx';
import { url, useConsole } from '../state.ts';

/** How each client connects, to copy. */
export function ConnectView() {
  const { connection, token, error } = useConsole();
  const name = textIn(connection?.server.info['name']) ?? 'server';
  const hasToken = token !== undefined || error?.status === 401;
  return (
    <div class="stack">
      <div class="head">
        <h1>Connect a client</h1>
        <p class="lead">
          {hasToken ? (
            <>
              Each text is ready to copy. Put an access token in place of <code>YOUR_TOKEN</code>.
            </>
          ) : (
            'Each text is ready to copy. Sign in here first if your clients need an access token: the texts then have its place.'
          )}
        </p>
      </div>
      {setups({ name, url, hasToken }).map(({ client, how, text, note }) => (
        <section class="stack-small" key={client}>
          <h2>{client}</h2>
          <p>{how}</p>
          <Code label={`Set-up of ${client}`} text={text} />
          {note !== undefined && <p class="field-about">{note}</p>}
        </section>
      ))}
    </div>
  );
}
