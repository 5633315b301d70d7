import type { ComponentChildren, JSX } from 'preact';

export interface FormProps {
  readonly class?: string;
  readonly onSubmit: () => void;
  readonly children: ComponentChildren;
}

/** A form that the page sends itself. */
export function Form({ onSubmit, children, ...rest }: FormProps): JSX.Element {
  const submit = (event: Event): void => {
    event.preventDefault();
    onSubmit();
  };
  return (
    <form {...rest} onSubmit={submit}>
      {children}
    </form>
  );
}
