import type { ComponentChildren, JSX } from 'preact';

interface Labelled {
  readonly label: string;
  readonly hint?: string;
}

export interface ChoiceProps<Value extends string> extends Labelled {
  readonly value: Value;
  readonly options: readonly (readonly [value: Value, label: string])[];
  readonly onChange: (value: Value) => void;
}

export function Choice<Value extends string>({ label, hint, value, options, onChange }: ChoiceProps<Value>): JSX.Element {
  return (
    <FieldFrame label={label} hint={hint}>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value as Value)}>
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </FieldFrame>
  );
}

export interface TextFieldProps extends Labelled {
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly type?: 'text' | 'number';
  readonly placeholder?: string;
  readonly min?: number;
  readonly max?: number;
  readonly step?: number | 'any';
  readonly list?: readonly string[];
  readonly required?: boolean;
}

export function TextField({ label, hint, value, onInput, type = 'text', list, ...rest }: TextFieldProps): JSX.Element {
  const listId = list === undefined ? undefined : `list-${label.replaceAll(/\W+/g, '-').toLowerCase()}`;
  return (
    <FieldFrame label={label} hint={hint}>
      <input
        type={type}
        value={value}
        list={listId}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => onInput(event.currentTarget.value)}
        {...rest}
      />
      {list !== undefined && (
        <datalist id={listId}>
          {list.map((option) => (
            <option key={option} value={option} />
          ))}
        </datalist>
      )}
    </FieldFrame>
  );
}

export interface TextAreaProps extends Labelled {
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly rows: number;
  readonly placeholder?: string;
  readonly code?: boolean;
  /** Control and Enter. */
  readonly onSubmit?: () => void;
}

export function TextArea({ label, hint, value, onInput, onSubmit, code = false, ...rest }: TextAreaProps): JSX.Element {
  const submit = (event: KeyboardEvent): void => {
    if (onSubmit === undefined || event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    onSubmit();
  };
  return (
    <FieldFrame label={label} hint={hint}>
      <textarea
        class={code ? 'code' : undefined}
        value={value}
        spellcheck={false}
        onInput={(event) => onInput(event.currentTarget.value)}
        onKeyDown={submit}
        {...rest}
      />
    </FieldFrame>
  );
}

export function CheckField({
  label,
  checked,
  onChange,
}: {
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}): JSX.Element {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
      {label}
    </label>
  );
}

function FieldFrame({ label, hint, children }: { label: string; hint: string | undefined; children: ComponentChildren }): JSX.Element {
  return (
    <label>
      <span>
        {label}
        {hint !== undefined && <span class="hint"> {hint}</span>}
      </span>
      {children}
    </label>
  );
}
