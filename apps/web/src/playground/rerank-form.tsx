import type { ModelBody } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { whole } from '../format/numbers.js';
import { TextArea, TextField } from '../ui/field.js';
import type { RerankValues } from './form-values.js';
import { QueryField } from './query-field.js';
import { SAMPLE } from './sample-request.js';
import { ScoringFields } from './scoring-fields.js';
import { splitDocuments } from './split-documents.js';

export interface RerankFormProps {
  readonly values: RerankValues;
  readonly models: readonly ModelBody[];
  readonly onChange: (change: Partial<RerankValues>) => void;
  readonly onSubmit: () => void;
}

export function RerankForm({ values, models, onChange, onSubmit }: RerankFormProps): JSX.Element {
  const count = splitDocuments(values.documents, values.separator).length;
  return (
    <>
      <QueryField query={values.query} onChange={onChange} onSubmit={onSubmit} />
      <TextArea
        label="Documents"
        hint={`${whole(count)} ${count === 1 ? 'document' : 'documents'}`}
        rows={10}
        value={values.documents}
        placeholder={values.separator === 'line' ? 'One document a line' : 'Documents with a blank line between them'}
        onInput={(documents) => onChange({ documents })}
        onSubmit={onSubmit}
      />
      <div class="row">
        <div class="segments" role="group" aria-label="How documents are told apart">
          <button type="button" aria-pressed={values.separator === 'line'} onClick={() => onChange({ separator: 'line' })}>
            one a line
          </button>
          <button type="button" aria-pressed={values.separator === 'blank'} onClick={() => onChange({ separator: 'blank' })}>
            blank line between
          </button>
        </div>
        <span class="spring" />
        <button type="button" class="link" onClick={() => onChange({ ...SAMPLE, separator: 'line' })}>
          Load an example
        </button>
      </div>
      <div class="grid">
        <TextField label="top_n" type="number" min={1} value={values.topN} placeholder="all" onInput={(topN) => onChange({ topN })} />
        <ScoringFields values={values} models={models} onChange={onChange} />
      </div>
    </>
  );
}
