// @vitest-environment happy-dom
import { afterEach, describe, expect, it, vi } from 'vitest';
import { doing, mount, type Mounted } from '../../test/mount.js';
import { ConfirmButton } from './confirm-button.js';

let page: Mounted;
function show(typed?: string): () => void {
  page = mount();
  const onConfirm = vi.fn<() => void>();
  page.show(
    <ConfirmButton label="Delete it" title="Delete manuals?" {...(typed === undefined ? {} : { typed })} onConfirm={onConfirm}>
      All of it goes.
    </ConfirmButton>,
  );
  return onConfirm;
}
afterEach(() => page.leave());

const dialog = (): HTMLDialogElement => page.root.querySelector('dialog')!;
const button = (text: string): HTMLButtonElement =>
  [...dialog().querySelectorAll('button')].find(({ textContent }) => textContent === text)!;
const open = (): void => doing(() => page.root.querySelector('button')!.click());
function type(text: string): void {
  const input = dialog().querySelector('input')!;
  input.value = text;
  doing(() => void input.dispatchEvent(new Event('input', { bubbles: true })));
}
const submit = (): void =>
  doing(
    () =>
      void dialog()
        .querySelector('form')!
        .dispatchEvent(new Event('submit', { bubbles: true, cancelable: true })),
  );

describe(ConfirmButton, () => {
  it('does nothing before it is confirmed', () => {
    const onConfirm = show();
    open();
    expect(dialog().open).toBe(true);
    expect(dialog().textContent).toContain('All of it goes.');
    doing(() => button('Keep it').click());
    expect(dialog().open).toBe(false);
    expect(onConfirm).not.toHaveBeenCalled();
  });

  it('wants the name where one must be typed, also from the return key', () => {
    const onConfirm = show('manuals');
    open();
    type('manual');
    expect(button('Delete it').disabled).toBe(true);
    submit();
    expect(onConfirm).not.toHaveBeenCalled();
    type('manuals');
    expect(button('Delete it').disabled).toBe(false);
    submit();
    expect(onConfirm).toHaveBeenCalledOnce();
    expect(dialog().open).toBe(false);
  });

  it('forgets what was typed', () => {
    show('manuals');
    open();
    type('manuals');
    doing(() => button('Keep it').click());
    open();
    expect(dialog().querySelector('input')!.value).toBe('');
  });
});
