import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Dialog } from '../ui/dialog.js';
import { Form } from '../ui/form.js';

export interface KeyDialogProps {
  readonly open: boolean;
  readonly storedKey: string | undefined;
  /** With undefined the stored key is forgotten. */
  readonly onUse: (key: string | undefined) => void;
  readonly onClose: () => void;
}

export function KeyDialog({ open, storedKey, onUse, onClose }: KeyDialogProps): JSX.Element {
  const [key, setKey] = useState('');
  const submit = (): void => {
    if (key.trim() === '') return;
    onUse(key.trim());
    setKey('');
  };
  return (
    <Dialog open={open} title="API key" onClose={onClose}>
      <Form onSubmit={submit}>
        <p>
          It is kept in this tab alone, until the tab is closed, and sent to this service only. A service on your own machine that has no
          keys needs none.
        </p>
        <label>
          Key
          <input type="password" autocomplete="off" spellcheck={false} value={key} onInput={(event) => setKey(event.currentTarget.value)} />
        </label>
        <div class="row end">
          {storedKey !== undefined && (
            <button type="button" class="danger" onClick={() => onUse(undefined)}>
              Forget the key
            </button>
          )}
          <button type="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" class="primary" disabled={key.trim() === ''}>
            Use it
          </button>
        </div>
      </Form>
    </Dialog>
  );
}
