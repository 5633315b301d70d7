import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Dialog } from './dialog.js';
import { TextField } from './field.js';
import { Form } from './form.js';

export interface ConfirmButtonProps {
  readonly label: string;
  readonly title: string;
  /** What will happen. */
  readonly children: ComponentChildren;
  /** Must be typed first. */
  readonly typed?: string;
  readonly disabled?: boolean;
  readonly small?: boolean;
  readonly onConfirm: () => void;
}

/** For what cannot be taken back. */
export function ConfirmButton({ label, title, children, typed, disabled, small, onConfirm }: ConfirmButtonProps): JSX.Element {
  const [open, setOpen] = useState(false);
  const [text, setText] = useState('');
  const close = (): void => {
    setOpen(false);
    setText('');
  };
  const confirm = (): void => {
    if (typed !== undefined && text !== typed) return;
    close();
    onConfirm();
  };
  return (
    <>
      <button type="button" class={small === true ? 'danger small' : 'danger'} disabled={disabled} onClick={() => setOpen(true)}>
        {label}
      </button>
      <Dialog open={open} title={title} onClose={close}>
        <Form onSubmit={confirm}>
          <div>{children}</div>
          {typed !== undefined && <TextField label={`Type ${typed} to confirm`} value={text} onInput={setText} />}
          <div class="row end">
            <button type="button" onClick={close}>
              Keep it
            </button>
            <button type="submit" class="danger" disabled={typed !== undefined && text !== typed}>
              {label}
            </button>
          </div>
        </Form>
      </Dialog>
    </>
  );
}
