import { render, type ComponentChild } from 'preact';
import { act } from 'preact/test-utils';

/** A component on a page of its own, for tests. */
export interface Mounted {
  readonly root: HTMLElement;
  readonly show: (component: ComponentChild) => void;
  readonly leave: () => void;
}

export function mount(): Mounted {
  const root = document.createElement('div');
  document.body.append(root);
  return {
    root,
    show: (component) => doing(() => render(component, root)),
    leave: () => {
      doing(() => render(null, root));
      root.remove();
    },
  };
}

/** What follows from `change` has been rendered when this returns. */
export function doing(change: () => void): void {
  void act(change);
}

/** The same, with what promises brought that were settled by it. */
export async function settled(change: () => void): Promise<void> {
  await act(async () => {
    change();
    await new Promise((resolve) => setImmediate(resolve));
  });
}
