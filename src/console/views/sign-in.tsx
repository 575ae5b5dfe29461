import { useId, useState } from 'preact/hooks';
import { Dialog } from '../components/parts.tsx';
import { state } from '../state.ts';

/** Asks for an access token. */
export function SignInForm({ onDone, onCancel }: { onDone?: () => void; onCancel?: () => void }) {
  const id = useId();
  const [token, setToken] = useState('');
  const submit = (event: Event) => {
    event.preventDefault();
    void state.connect({ token: token.trim().replace(/^Bearer\s+/iu, '') });
    onDone?.();
  };
  return (
    <form class="stack" onSubmit={submit}>
      <div class="field">
        <label class="field-label" for={id}>
          Access token
        </label>
        <input
          id={id}
          class="input"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          value={token}
          aria-describedby={`${id}-about`}
          onInput={event => setToken(event.currentTarget.value)}
        />
        <p class="field-about" id={`${id}-about`}>
          Sent as <code>Authorization: Bearer …</code> with each request to this server, and nowhere else. This tab forgets it when it is
          closed.
        </p>
      </div>
      <div class="actions">
        <button type="submit" class="button button-main">
          Sign in
        </button>
        {onCancel !== undefined && (
          <button type="button" class="button" onClick={onCancel}>
            Cancel
          </button>
        )}
      </div>
    </form>
  );
}

/** The same in a dialog. */
export function SignInDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Sign in" onClose={onClose}>
      <SignInForm onDone={onClose} onCancel={onClose} />
    </Dialog>
  );
}
