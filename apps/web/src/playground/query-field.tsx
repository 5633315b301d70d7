import type { JSX } from 'preact';
import { TextArea } from '../ui/field.js';

export interface QueryFieldProps {
  readonly query: string;
  readonly onChange: (change: { query: string }) => void;
  readonly onSubmit: () => void;
}

export function QueryField({ query, onChange, onSubmit }: QueryFieldProps): JSX.Element {
  return (
    <TextArea
      label="Query"
      rows={2}
      value={query}
      placeholder="What is looked for"
      onInput={(value) => onChange({ query: value })}
      onSubmit={onSubmit}
    />
  );
}
