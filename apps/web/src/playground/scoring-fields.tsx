import type { ModelBody } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { CheckField, Choice, TextField } from '../ui/field.js';
import type { ScoringValues } from './form-values.js';

export interface ScoringFieldsProps {
  readonly values: ScoringValues;
  readonly models: readonly ModelBody[];
  readonly onChange: (change: Partial<ScoringValues>) => void;
}

/** How pairs are scored; the same for both kinds of request. */
export function ScoringFields({ values, models, onChange }: ScoringFieldsProps): JSX.Element {
  const rerankers = [...new Set(models.filter(({ kind }) => kind === 'cross-encoder').map(({ id }) => id))];
  return (
    <>
      <Choice
        label="model"
        value={values.model}
        options={[['', 'the default'], ...rerankers.map((id) => [id, id] as const)]}
        onChange={(model) => onChange({ model })}
      />
      <Choice
        label="effort"
        value={values.effort}
        options={[
          ['', 'the default'],
          ['full', 'full'],
          ['balanced', 'balanced: half the work'],
          ['fast', 'fast: a third'],
        ]}
        onChange={(effort) => onChange({ effort })}
      />
      <Choice
        label="long_document"
        value={values.longDocument}
        options={[
          ['', 'the default'],
          ['truncate', 'truncate: cut end'],
          ['chunk', 'chunk: windows'],
          ['error', 'error: refuse'],
        ]}
        onChange={(longDocument) => onChange({ longDocument })}
      />
      <TextField
        label="min_score"
        type="number"
        step="any"
        value={values.minScore}
        placeholder="none"
        onInput={(minScore) => onChange({ minScore })}
      />
      <div class="checks">
        <CheckField label="explain" checked={values.explain} onChange={(explain) => onChange({ explain })} />
        <CheckField label="deterministic" checked={values.deterministic} onChange={(deterministic) => onChange({ deterministic })} />
      </div>
    </>
  );
}
