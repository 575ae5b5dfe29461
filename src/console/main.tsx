import { render } from 'preact';
import { state } from './state.ts';
import { Shell } from './views/shell.tsx';

const root = document.getElementById('console');
if (root !== null) render(<Shell />, root);
void state.connect();
// A session that nobody uses any more need not wait for its end on the server.
addEventListener('pagehide', () => void state.values.connection?.close());
addEventListener('pageshow', event => {
  if (event.persisted) void state.connect();
});
