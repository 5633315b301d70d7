import type { JSX } from 'preact';
import { Choice, TextField } from '../ui/field.js';
import type { ChunkingValues } from './corpus-settings.js';

export interface ChunkingFieldsProps {
  readonly values: ChunkingValues;
  /** What an empty field means. */
  readonly otherwise: string;
  readonly onChange: (change: Partial<ChunkingValues>) => void;
}

/** How documents are cut into passages. */
export function ChunkingFields({ values, otherwise, onChange }: ChunkingFieldsProps): JSX.Element {
  return (
    <>
      <Choice
        label="passages"
        value={values.mode}
        options={[
          ['', otherwise],
          ['sentences', 'whole sentences'],
          ['none', 'one a document'],
        ]}
        onChange={(mode) => onChange({ mode })}
      />
      <TextField
        label="max_tokens"
        type="number"
        min={16}
        placeholder={otherwise}
        value={values.maxTokens}
        onInput={(maxTokens) => onChange({ maxTokens })}
      />
      <TextField
        label="overlap_tokens"
        type="number"
        min={0}
        placeholder={otherwise}
        value={values.overlapTokens}
        onInput={(overlapTokens) => onChange({ overlapTokens })}
      />
    </>
  );
}
